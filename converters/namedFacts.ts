/** What the name of a model tells of it: names of DeiT, of timm with tags, of the hub, and of files that authors publish. */
import { imagenetLabels } from '../configs/imagenet.js';
import { modelEntries } from '../configs/models/index.js';
import { vitModels } from '../configs/models/vit.js';
import type { KnownModel, ModelEntry } from '../src/families/modelEntry.js';
import { compactConfig, VIT_DEFAULTS, type VitConfig } from '../src/families/vit/config.js';
import { preprocessingFor } from '../src/image/presets.js';
import type { Preprocessing } from '../src/image/types.js';
import type { Fact, Facts, Library } from './facts.js';
import { findEntry } from './findEntry.js';
import { timmArchitecture, timmName, timmPreprocessingOf } from './timmModels.js';

/** A model that a name means. */
export interface NamedModel {
  /** The name as its source has it. */
  readonly name: string;
  readonly config: VitConfig;
  /** Whose conventions it has, where the name tells. */
  readonly library?: Library;
  /** Preset with which its authors evaluate it; timm's tags have their own preprocessing instead. */
  readonly preset?: string;
  /** Whether its classes are ImageNet-1k's. */
  readonly imagenet: boolean;
}

const lastPart = (address: string) => address.split('/').at(-1)!;

/** What a row of configs/models/vit.ts is called: its name on the hub, else its file's without hash and ending. */
export function knownName({ hub, checkpoint }: KnownModel): string {
  return hub ?? lastPart(checkpoint!).replace(/(-[0-9a-f]{8})?\.(pth|pth\.tar)$/, '');
}

/** The configuration of a row of configs/models/vit.ts. */
export function knownConfig(model: KnownModel): VitConfig {
  const { imgSize: side, numClasses, fields } = model;
  const imgSize = side === undefined ? undefined : { imgSize: [side, side] as const };
  const architecture = timmArchitecture(model.arch)!;
  return compactConfig({
    ...VIT_DEFAULTS,
    ...architecture,
    ...fields,
    ...imgSize,
    numClasses,
    name: knownName(model),
  });
}

function ofEntry(card: ModelEntry): NamedModel {
  return { name: card.config.name, config: card.config, preset: card.preset, imagenet: true };
}

function ofKnown(model: KnownModel): NamedModel {
  const { library, preset, numClasses } = model;
  const config = knownConfig(model);
  return { name: config.name, config, library, ...(preset && { preset }), imagenet: numClasses === 1000 };
}

function ofTimm(name: string): NamedModel | undefined {
  const architecture = timmArchitecture(name);
  if (!architecture) return undefined;
  const plain = timmName(name);
  const config = compactConfig({ ...VIT_DEFAULTS, ...architecture, name: plain });
  return { name: plain, config, library: 'timm', imagenet: isImagenetTag(plain) };
}

/**
 * The model of a name: a DeiT's (or its alias), a name on the hub (with `hf:` or without), timm's with a tag or without,
 * torchvision's. Undefined if no table has it.
 */
export function namedModel(name: string): NamedModel | undefined {
  const wanted = name.replace(/^hf:/, '').replace(/@[^/]*$/, '');
  const entry = findEntry(wanted);
  if (entry) return ofEntry(entry);
  const known = vitModels.find((model) => knownName(model) === wanted);
  return known ? ofKnown(known) : ofTimm(wanted);
}

/** The model that a published file is, by its name. */
export function modelOfFile(path: string): NamedModel | undefined {
  const file = path.split(/[\\/]/).at(-1)!;
  const has = ({ checkpoint }: { readonly checkpoint?: string }) =>
    checkpoint !== undefined && lastPart(checkpoint) === file;
  const entry = modelEntries.find(has);
  if (entry) return ofEntry(entry);
  const known = vitModels.find(has);
  if (known) return ofKnown(known);
  // timm's names have a tag: without one it could be anybody's file.
  const stem = file.replace(/\.(safetensors|pth|pt|bin)$/, '');
  return stem !== file && stem.includes('.') ? ofTimm(stem) : undefined;
}

function isImagenetTag(nameOrTag: string): boolean {
  return /(^|[._])in1k$/.test(nameOrTag);
}

/** ImageNet's names of classes, if a tag of timm says that the weights are of it. */
export function imagenetOfTag(tag: string, source: string): Fact<readonly string[]> | undefined {
  return isImagenetTag(tag) ? { value: imagenetLabels, source } : undefined;
}

/** Fields that tensors do not tell, and the width, by which a name that is wrong is found out. */
const UNTOLD = ['embedDim', 'numHeads', 'activation', 'pool', 'poolPrefix', 'layerNormEps'] as const;

/**
 * The facts that a named model gives of its architecture: what the tensors' shapes do not tell, and its width.
 *
 * @param source where the name stands, e.g. `args.model`
 */
export function architectureFactsOf({ name, config, library }: NamedModel, source: string): Facts {
  const { activation = config.swiglu ? 'silu' : 'gelu' } = config;
  const told: Partial<VitConfig> = { ...config, activation };
  // Of DeiT the code base that the names of the tensors tell decides; its epsilon differs on Hugging Face.
  const fields = UNTOLD.filter(
    (field) => told[field] !== undefined && (field !== 'layerNormEps' || library !== undefined),
  );
  return {
    name: { value: name, source },
    config: Object.fromEntries(
      fields.map((field) => [field, { value: told[field], source }]),
    ) as Facts['config'],
  };
}

/** All that a name tells, its preprocessing and labels too: for a name that means these very weights. */
export async function namedFacts(model: NamedModel, source: string): Promise<Facts> {
  const { library, imagenet } = model;
  const preprocessing = await preprocessingOf(model);
  return {
    ...architectureFactsOf(model, source),
    ...(library && { library: { value: library, source } }),
    ...(preprocessing && { preprocessing: { value: preprocessing, source } }),
    ...(imagenet && { labels: { value: imagenetLabels, source } }),
  };
}

/** How images are prepared for a named model. */
async function preprocessingOf({
  name,
  config,
  library,
  preset,
}: NamedModel): Promise<Preprocessing | undefined> {
  if (preset) return preprocessingFor(preset, config.imgSize);
  return library === 'timm' ? timmPreprocessingOf(name) : undefined;
}
