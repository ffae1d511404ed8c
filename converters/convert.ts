import { imagenetLabels } from '../configs/imagenet.js';
import { checkOptions } from '../src/checkOptions.js';
import { UserError } from '../src/errors.js';
import {
  gridSize,
  numPrefixPositions,
  patchSides,
  patchText,
  type VitConfig,
} from '../src/families/vit/config.js';
import { countParameters } from '../src/families/vit/flops.js';
import { initialWeight } from '../src/families/vit/initialWeights.js';
import { weightSpecs } from '../src/families/vit/weights.js';
import type { Preprocessing } from '../src/image/types.js';
import { defaultPreprocessing } from '../src/models/preprocessing.js';
import type { WeightReader } from '../src/models/weights.js';
import { Random } from '../src/random.js';
import { inferArchitecture, inputName, tensorShape } from './architecture.js';
import { type FoundModel, findVisionTransformer } from './findModel.js';
import type { Checkpoint } from './formats/types.js';
import { resamplePosEmbed } from './resamplePosEmbed.js';
import { concatenate, torchShape, toTfjsLayout } from './tensorLayout.js';
import { torchName } from './torchName.js';

export interface ConvertOptions {
  /** Name of the model, which is then checked, or `auto`, by default, to tell it from the tensors' shapes. */
  model?: string;
  /** Input size in pixels, [height, width]: position embeddings are resampled for it. */
  imgSize?: readonly [number, number];
  /** Number of classes: a head of another size is replaced by a fresh one; 0 drops the head. */
  numClasses?: number;
  /** Heads of a block, where they are neither stored in the checkpoint (args.num_heads) nor embedDim / 64. */
  numHeads?: number;
  /** Names of the classes; by default ImageNet's for a model with 1000. */
  labels?: readonly string[];
}

const CONVERT_OPTIONS: Record<keyof ConvertOptions, true> = {
  model: true,
  imgSize: true,
  numClasses: true,
  numHeads: true,
  labels: true,
};

/** What became of the tensors of a checkpoint. */
export interface ConvertReport {
  readonly source: string;
  readonly format: Checkpoint['format'];
  readonly naming: FoundModel['keyMap']['name'];
  /** What stood before every name, e.g. `model.`. */
  readonly prefix: string;
  readonly model: string;
  readonly parameters: number;
  /** Attention heads of a block; of all the architecture the one thing that shapes do not tell. */
  readonly numHeads: number;
  /** Number of the checkpoint's tensors that went into the model. */
  readonly mapped: number;
  /** One line for each weight that was changed, e.g. `pos_embed: 14×14 → 24×24, bicubic`. */
  readonly resampled: readonly string[];
  /** Weights that start afresh. */
  readonly initialized: readonly string[];
  /** Tensors of the model that are not needed. */
  readonly dropped: readonly string[];
  /** Tensors outside of the model, e.g. optimizer state. */
  readonly leftOver: readonly string[];
}

/** A checkpoint as a model: its shape, and its weights on demand. */
export interface Conversion {
  readonly config: VitConfig;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  readonly report: ConvertReport;
  /** Gives a weight of weightSpecs(config) in tfjs' layout; throws a UserError on values that are not finite. */
  readonly readWeight: WeightReader;
}

/** Maps a checkpoint to a model. Values are read only by readWeight; shapes are all checked here. */
export function convert(checkpoint: Checkpoint, options: ConvertOptions = {}): Conversion {
  checkOptions('convert', options, Object.keys(CONVERT_OPTIONS));
  const file = checkpoint.name;
  const found = findVisionTransformer(checkpoint);
  const numHeads = options.numHeads ?? storedNumHeads(checkpoint);
  const hints = { model: options.model ?? 'auto', numHeads, imgSize: options.imgSize };
  const source = inferArchitecture(found, hints, file);
  const config = targetConfig(source, options);
  const heads =
    config.numClasses === source.numClasses ? 'kept' : config.numClasses === 0 ? 'dropped' : 'fresh';
  checkShapes(found, source, file);
  const labels = checkLabels(options.labels, config, file);
  const readWeight = weightReader(found, source, config, file);
  return {
    config,
    labels,
    preprocessing: defaultPreprocessing(config, source.name),
    readWeight,
    report: report(checkpoint, found, source, config, heads),
  };
}

/** Training scripts keep their arguments beside the weights; shapes do not tell the number of heads. */
function storedNumHeads({ metadata }: Checkpoint): number | undefined {
  // safetensors keeps texts only.
  const stored = Number(metadata['args.num_heads']);
  return Number.isSafeInteger(stored) && stored > 0 ? stored : undefined;
}

function targetConfig(source: VitConfig, options: ConvertOptions): VitConfig {
  const imgSize = options.imgSize ?? source.imgSize;
  if (imgSize.some((side, axis) => side < patchSides(source)[axis])) {
    throw new UserError(
      `an input of ${imgSize.join('×')} pixels is smaller than the model's patch of ${patchText(source)}`,
    );
  }
  const name =
    String(imgSize) === String(source.imgSize)
      ? source.name
      : source.name.replace(/_\d+(x\d+)?$/, `_${inputName({ imgSize })}`);
  return { ...source, name, imgSize, numClasses: options.numClasses ?? source.numClasses };
}

/** Every tensor must have PyTorch's shape for the architecture: the first that has not is named. */
function checkShapes(found: FoundModel, source: VitConfig, file: string): void {
  const expected = new Set<string>();
  for (const { name, shape } of weightSpecs(source)) {
    const torch = torchName(name);
    expected.add(torch);
    const want = name.endsWith('.kernel') ? torchShape(shape) : [...shape];
    const have = tensorShape(found, torch, file);
    if (String(want) !== String(have)) {
      const where = found.tensors
        .get(torch)!
        .map((tensor) => tensor.name)
        .join(' + ');
      throw new UserError(
        `${file}: ${where} should have shape [${want.join(', ')}], has [${have.join(', ')}]`,
      );
    }
  }
  const extra = [...found.tensors.keys()].find((name) => !expected.has(name));
  if (extra)
    throw new UserError(`${file}: ${found.tensors.get(extra)![0].name} has no place in ${source.name}`);
}

function checkLabels(
  labels: readonly string[] | undefined,
  config: VitConfig,
  file: string,
): readonly string[] | undefined {
  if (!labels) return config.numClasses === 1000 ? imagenetLabels : undefined;
  if (labels.length !== config.numClasses) {
    throw new UserError(
      `${file}: the model has ${config.numClasses} classes, the labels file names ${labels.length}`,
    );
  }
  return labels;
}

const isHead = (name: string) => name.startsWith('head.') || name.startsWith('head_dist.');

function weightReader(found: FoundModel, source: VitConfig, config: VitConfig, file: string): WeightReader {
  const specs = new Map(weightSpecs(config).map((spec) => [spec.name, spec]));
  return async (name) => {
    const spec = specs.get(name);
    if (!spec) throw new UserError(`${config.name} has no weight named ${name}`);
    if (isHead(name) && config.numClasses !== source.numClasses) {
      // One seed for all: the same command gives the same bytes.
      return initialWeight(spec, Random.fromSeed(name.startsWith('head_dist.') ? 2 : 1));
    }
    const parts = found.tensors.get(torchName(name))!;
    const values = concatenate(await Promise.all(parts.map((part) => part.read())));
    checkFinite(values, parts.map((part) => part.name).join(' + '), file);
    if (name === 'pos_embed') return resampled(values, source, config, found.keyMap.antialias);
    return name.endsWith('.kernel') ? toTfjsLayout(values, torchShape(spec.shape)) : values;
  };
}

function checkFinite(values: Float32Array, tensor: string, file: string): void {
  let bad = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) bad++;
  if (bad > 0)
    throw new UserError(`${file}: ${tensor} has ${bad} of ${values.length} values that are NaN or infinite`);
}

function resampled(
  values: Float32Array,
  source: VitConfig,
  config: VitConfig,
  antialias: boolean,
): Float32Array {
  const [from, to] = [gridSize(source), gridSize(config)];
  if (String(from) === String(to)) return values;
  const prefix = numPrefixPositions(config);
  return resamplePosEmbed(values, config.embedDim, prefix, from, to, antialias);
}

function report(
  checkpoint: Checkpoint,
  found: FoundModel,
  source: VitConfig,
  config: VitConfig,
  heads: 'kept' | 'dropped' | 'fresh',
): ConvertReport {
  const [from, to] = [gridSize(source), gridSize(config)];
  const how = found.keyMap.antialias
    ? 'bicubic with antialias, as timm'
    : 'bicubic, as facebookresearch/deit';
  const ofHeads = [...found.tensors].filter(([name]) => isHead(name));
  const lostHeads = heads === 'kept' ? [] : ofHeads.flatMap(([, parts]) => parts.map((part) => part.name));
  const all = [...found.tensors.values()].reduce((sum, parts) => sum + parts.length, 0);
  return {
    source: checkpoint.name,
    format: checkpoint.format,
    naming: found.keyMap.name,
    prefix: found.prefix,
    model: config.name,
    parameters: countParameters(config),
    numHeads: config.numHeads,
    mapped: all - lostHeads.length,
    resampled:
      String(from) === String(to) ? [] : [`pos_embed: ${from.join('×')} → ${to.join('×')} patches, ${how}`],
    initialized:
      heads === 'fresh'
        ? weightSpecs(config)
            .map(({ name }) => name)
            .filter(isHead)
        : [],
    dropped: [...found.dropped, ...lostHeads],
    leftOver: found.leftOver,
  };
}
