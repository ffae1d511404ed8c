/** What this package writes beside the weights that it exports, and reads again. */
import { UserError } from '../../src/errors.js';
import { checkConfig, type VitConfig } from '../../src/families/vit/config.js';
import { checkPreprocessing, isObject } from '../../src/image/checkPreprocessing.js';
import type { Facts } from '../facts.js';
import type { WritableModel } from '../write/layersModel.js';
import type { Entries } from './entries.js';

const ARCHITECTURE = 'deit.architecture';
const PREPROCESSING = 'deit.preprocessing';
const LABELS = 'deit.labels';

/** The texts that say beside a model's tensors what they do not tell. */
export function exportedFacts({ config, preprocessing, labels }: WritableModel): Record<string, string> {
  const { quantization: _, ...architecture } = config;
  return {
    [ARCHITECTURE]: JSON.stringify(architecture),
    [PREPROCESSING]: JSON.stringify(preprocessing),
    ...(labels && { [LABELS]: JSON.stringify(labels) }),
  };
}

/** The facts that an export of this package holds. Throws a UserError if they were damaged. */
export function ownFacts(entries: Entries, file: string): Facts | undefined {
  const text = entries.text(ARCHITECTURE);
  const heads = entries.number('args.num_heads');
  if (text === undefined) {
    if (heads === undefined || !Number.isSafeInteger(heads) || heads < 1) return undefined;
    return { config: { numHeads: { value: heads, source: 'args.num_heads' } } };
  }
  const config = parse(text, ARCHITECTURE, file) as VitConfig;
  if (!isObject(config)) throw damaged(ARCHITECTURE, file);
  checkConfig(config);
  const { name, dropPathRate: _, layerScale: __, ...fields } = config;
  const preprocessing = entries.text(PREPROCESSING);
  const labels = entries.text(LABELS);
  return {
    name: { value: name, source: ARCHITECTURE },
    config: Object.fromEntries(
      Object.entries(fields).map(([field, value]) => [field, { value, source: ARCHITECTURE }]),
    ) as Facts['config'],
    ...(preprocessing !== undefined && {
      preprocessing: {
        value: checkPreprocessing(parse(preprocessing, PREPROCESSING, file), file),
        source: PREPROCESSING,
      },
    }),
    ...(labels !== undefined && { labels: { value: labelsOf(labels, file), source: LABELS } }),
  };
}

function labelsOf(text: string, file: string): readonly string[] {
  const labels = parse(text, LABELS, file);
  if (Array.isArray(labels) && labels.every((label) => typeof label === 'string')) return labels;
  throw damaged(LABELS, file);
}

function parse(text: string, key: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(key, file);
  }
}

function damaged(key: string, file: string): UserError {
  return new UserError(`${file}: ${key} in its metadata is damaged; export the model again`);
}
