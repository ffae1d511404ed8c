/** Names of the classes that training scripts keep beside the weights. */
import type { Facts } from '../facts.js';
import type { CheckpointMetadata } from '../formats/types.js';
import { entriesOf } from './entries.js';

/** mmengine's and mmcls' own, and what scripts call a list of names, or names by index. */
const LISTS = [
  'meta.dataset_meta.classes',
  'meta.dataset_meta.CLASSES',
  'meta.CLASSES',
  ...withContainers(
    'classes',
    'class_names',
    'classnames',
    'idx_to_class',
    'idx2class',
    'id2label',
    'idx2label',
  ),
];

/** Indices by name: torchvision's ImageFolder has `class_to_idx`. */
const INDICES = withContainers('class_to_idx', 'class2idx', 'label2id', 'label2idx');

/** Where scripts keep them. */
function withContainers(...names: string[]): string[] {
  return ['', 'hyper_parameters.', 'hparams.', 'config.', 'args.', 'meta.', 'metadata.'].flatMap(
    (container) => names.map((name) => container + name),
  );
}

/** The names of the classes, if some are kept that are the names of classes 0, 1 … */
export function classNames(metadata: CheckpointMetadata): Facts | undefined {
  const entries = entriesOf(metadata);
  for (const source of LISTS) {
    const list = entries.list(source) ?? [];
    const labels = list.length === 1 ? valuesOf(parsed(list[0])) : list;
    if (areNames(labels)) return { config: {}, labels: { value: labels, source } };
  }
  for (const source of INDICES) {
    const labels = byIndex(indicesAt(metadata, source));
    if (areNames(labels)) return { config: {}, labels: { value: labels, source } };
  }
  return undefined;
}

const areNames = (labels: readonly unknown[]): labels is readonly string[] =>
  labels.length > 1 && labels.every((label) => typeof label === 'string');

/** safetensors keeps texts alone: lists and dicts are JSON there. */
function parsed(text: unknown): unknown {
  if (typeof text !== 'string' || !/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Of a list its items, of a dict by index its values in their order. */
function valuesOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  const dict = Object(value) as Record<string, unknown>;
  return Object.keys(dict).map((_, index) => dict[index]);
}

/** A dict's entries: names may have dots in them. */
function indicesAt(metadata: CheckpointMetadata, path: string): readonly (readonly [string, unknown])[] {
  const whole = Object.hasOwn(metadata, path) ? parsed(metadata[path]) : undefined;
  if (whole !== undefined) return Object.entries(Object(whole));
  const start = `${path}.`;
  return Object.entries(metadata).flatMap(([key, value]) =>
    key.startsWith(start) ? [[key.slice(start.length), value] as const] : [],
  );
}

function byIndex(indices: readonly (readonly [name: string, index: unknown])[]): readonly unknown[] {
  const names = new Array<string | undefined>(indices.length).fill(undefined);
  for (const [name, index] of indices) if (typeof index === 'number' && index in names) names[index] = name;
  return names;
}
