import { imagenetLabels } from '../configs/imagenet.js';
import { checkArguments } from '../src/checkArguments.js';
import { UserError } from '../src/errors.js';
import type { WeightReader } from '../src/families/types.js';
import {
  compactConfig,
  gridSize,
  numPrefixPositions,
  patchSides,
  patchText,
  type VitConfig,
} from '../src/families/vit/config.js';
import { countParameters } from '../src/families/vit/flops.js';
import { initialWeight } from '../src/families/vit/initialWeights.js';
import { isHeadWeight, weightSpecs } from '../src/families/vit/weights.js';
import type { PreprocessingOptions } from '../src/image/fromOptions.js';
import type { Preprocessing } from '../src/image/types.js';
import { Random } from '../src/random.js';
import { sizeOf } from '../src/shape.js';
import { type Inferred, inferArchitecture, inputName } from './architecture.js';
import { checkConvertOptions } from './checkConvertOptions.js';
import { choosePreprocessing } from './choosePreprocessing.js';
import type { Assumption, Facts, Library } from './facts.js';
import {
  type FoundModel,
  findVisionTransformer,
  type ModelInFile,
  missingText,
  nameInCheckpoint,
} from './findModel.js';
import type { Checkpoint } from './formats/types.js';
import { torchShapeOf } from './foundShapes.js';
import { type ModelTables, ownTables } from './modelTables.js';
import { dinov2Registers } from './namings/selfSupervised.js';
import { resamplePosEmbed, resampleText } from './resamplePosEmbed.js';
import { storedFacts } from './storedFacts.js';
import { torchShape } from './tensorLayout.js';
import { weightValues } from './weightValues.js';

export interface ConvertOptions {
  /** Name of the model, which is then checked, or `auto`, by default, to tell it from the tensors' shapes. */
  model?: string;
  /** Input size in pixels, [height, width]: position embeddings are resampled for it. */
  imgSize?: readonly [number, number];
  /** Number of classes: a head of another size is replaced by a fresh one; 0 drops the head. */
  numClasses?: number;
  /** Heads of a block, where nothing else tells. */
  numHeads?: number;
  /** What the head reads, where neither tensors nor facts tell; `VitConfig.pool`. */
  pool?: VitConfig['pool'];
  /** The MLP's non-linearity, likewise. */
  activation?: VitConfig['activation'];
  /** Epsilon of the layer norms, likewise. */
  layerNormEps?: number;
  /** Names of the classes; by default those that the facts have, or ImageNet's for a model with 1000. */
  labels?: readonly string[];
  /** How images are prepared, in place of what the facts say or what is likely. */
  preprocessing?: PreprocessingOptions;
  /** Which of several models in the checkpoint: what stands before its names, e.g. `state_dict.teacher`. */
  root?: string;
  /** Of a Hugging Face model with a pooler and a classifier: whether the classifier reads the pooler. */
  pooler?: boolean;
  /** Tables of published models; by default DeiT's alone. */
  tables?: ModelTables;
  /** What is known of the model beside its tensors; by default what the checkpoint's own metadata says. */
  facts?: Facts;
}

/** What became of the tensors of a checkpoint. */
export interface ConvertReport {
  readonly source: string;
  readonly format: Checkpoint['format'];
  readonly naming: FoundModel['naming']['name'];
  /** What stood before every name, e.g. `model.`. */
  readonly prefix: string;
  readonly model: string;
  readonly parameters: number;
  /** Attention heads of a block; shapes do not tell them. */
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
  /** Every model in the checkpoint, the one that was taken first. */
  readonly models: readonly ModelInFile[];
  /** What neither the tensors nor any fact tells. */
  readonly assumptions: readonly Assumption[];
}

/** A checkpoint as a model: its shape, and its weights on demand. */
export interface Conversion {
  readonly family: 'vit';
  readonly config: VitConfig;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  /** What neither the tensors nor any fact tells, and was taken for likely. */
  readonly assumptions: readonly Assumption[];
  readonly report: ConvertReport;
  /** Gives a weight of weightSpecs(config) in tfjs' layout; throws a UserError on values that are not finite. */
  readonly readWeight: WeightReader;
}

/** Maps a checkpoint to a model. Values are read only by readWeight; shapes are all checked here. */
export function convert(checkpoint: Checkpoint, options: ConvertOptions = {}): Conversion {
  checkArguments('convert', { checkpoint: ['checkpoint', checkpoint] });
  checkConvertOptions(options);
  const file = checkpoint.name;
  refuseShard(file);
  const facts = withOptions(options.facts ?? storedFacts(checkpoint), options);
  const found = findVisionTransformer(checkpoint, { root: options.root, facts });
  const inferred = inferArchitecture(
    found,
    {
      model: options.model ?? 'auto',
      imgSize: options.imgSize,
      pooler: options.pooler,
      headless: options.numClasses === 0,
      tables: options.tables ?? ownTables,
      facts,
    },
    file,
  );
  const source = inferred.config;
  const config = targetConfig(source, facts, options);
  const heads =
    config.numClasses === source.numClasses ? 'kept' : config.numClasses === 0 ? 'dropped' : 'fresh';
  checkShapes(found, inferred, file);
  const labels = labelsOf(options, facts, config, file);
  const { library } = found.naming;
  const preprocessing = choosePreprocessing(config, facts, library, options.preprocessing, options.tables);
  const assumptions = [
    ...choice(found),
    ...inferred.assumptions,
    ...labels.assumptions,
    ...preprocessing.assumptions,
    ...resampling(found, source, config, facts),
    ...resized(source, config, facts, found.naming.library, options),
    ...otherSize(source, config, facts, options),
    ...otherCount(source, facts, options),
    ...(config.numClasses === 1 ? [ONE_CLASS] : []),
    ...projection(found, source, config, labels.value),
    ...(isMmpretrainDeit3(found, source) ? [SECOND_NORM] : []),
  ];
  return {
    family: 'vit',
    config,
    labels: labels.value,
    preprocessing: preprocessing.value,
    assumptions,
    readWeight: weightReader(found, source, config, file),
    report: report(checkpoint, found, inferred, config, heads, assumptions),
  };
}

/** One of several files of a checkpoint may hold what looks like a smaller model. */
function refuseShard(file: string): void {
  const [, shard, of] = /-(\d{5})-of-(\d{5})\.\w+$/.exec(file) ?? [];
  if (of === undefined || Number(of) < 2) return;
  throw new UserError(
    `${file}: is file ${Number(shard)} of ${Number(of)} of a checkpoint; give their folder, or the .index.json beside them`,
  );
}

/** The facts, options first. */
function withOptions(facts: Facts, { numHeads, pool, activation, layerNormEps }: ConvertOptions): Facts {
  const told = {
    ...(numHeads !== undefined && { numHeads: { value: numHeads, source: '--num-heads' } }),
    ...(pool !== undefined && { pool: { value: pool, source: '--pool' } }),
    ...(activation !== undefined && { activation: { value: activation, source: '--activation' } }),
    ...(layerNormEps !== undefined && { layerNormEps: { value: layerNormEps, source: '--layer-norm-eps' } }),
  };
  return { ...facts, config: { ...facts.config, ...told } };
}

/** Which of several models was taken. */
function choice({ models: [taken, ...others], choice: why }: FoundModel): Assumption[] {
  if (!why) return [];
  const also = others
    .slice(0, 4)
    .map(({ root }) => JSON.stringify(root))
    .join(', ');
  return [
    {
      field: 'root',
      value: JSON.stringify(taken.root),
      why: `${why}; there is also ${also}${others.length > 4 ? ` and ${others.length - 4} more` : ''}; --root chooses`,
    },
  ];
}

/** Whose way of resampling was taken, where the tensors do not tell. */
function resampling(
  { naming, uncertainLibrary }: FoundModel,
  source: VitConfig,
  config: VitConfig,
  facts: Facts,
): Assumption[] {
  if (String(gridSize(source)) === String(gridSize(config))) return [];
  const assume = (value: string, why: string) => [{ field: 'resampling', value, why }];
  if (naming === dinov2Registers && !facts.name) {
    return assume(
      resampleText(naming.resample),
      'as facebookresearch/dinov2’s published models with registers (hubconf.py); what its code does by default is without antialias, with offset 0.1',
    );
  }
  if (!uncertainLibrary) return [];
  return assume(
    `as ${naming.resampledAs}`,
    'timm resamples position embeddings with antialias, facebookresearch without, and the names of the tensors are the same',
  );
}

/**
 * mmpretrain 1.0 to 1.2 has one norm twice in DeiT3's block (deit3.py: `self.ffn(self.ln1(x), identity=x)`; its issue 1614):
 * the published weights, converted before, need both, those that it trained the first alone. Tensors are the same.
 */
function isMmpretrainDeit3(
  { naming }: FoundModel,
  { posEmbedPrefix, classToken, layerScale }: VitConfig,
): boolean {
  return naming.library === 'mmpretrain' && !posEmbedPrefix && classToken !== false && layerScale !== null;
}

const SECOND_NORM: Assumption = {
  field: 'norm2',
  value: 'ln2',
  why: 'as facebookresearch and mmpretrain’s published weights have it; DeiT3 of mmpretrain 1.0 to 1.2 computes ln1 in its place, and a model that was trained there needs ln1’s tensors copied over ln2’s',
};

/** Throws a UserError if a norm has its first values still: no gradient ever came to it. */
function refuseUntrainedNorm(values: Float32Array, tensor: string, file: string): void {
  if (!values.every((value) => value === 1)) return;
  throw new UserError(
    `${file}: ${tensor} was never trained: DeiT3 of mmpretrain 1.0 to 1.2 computes ln1 in its place (its issue 1614); ` +
      'copy the tensors of ln1 over those of ln2, and convert it again',
  );
}

/** Position embeddings that are resampled since images are prepared at another size; DINOv2's own code does so. */
function resized(
  source: VitConfig,
  config: VitConfig,
  { preprocessing, library, name }: Facts,
  named: Library | undefined,
  { imgSize }: ConvertOptions,
): Assumption[] {
  if (imgSize || !preprocessing || String(gridSize(source)) === String(gridSize(config))) return [];
  if ((library?.value ?? named) === 'dinov2' || /dinov2/i.test(name?.value ?? '')) return [];
  const [own, wanted] = [source.imgSize.join('×'), config.imgSize.join('×')];
  const why = `${preprocessing.source} gives images of so many pixels, the position embeddings are of ${own}: they are resampled; --img-size ${own.replace('×', 'x')} says otherwise`;
  return [{ field: 'imgSize', value: wanted, why }];
}

/** A size that is told and that the position embeddings are not of: a file beside the weights is of another model. */
function otherSize(
  source: VitConfig,
  config: VitConfig,
  { config: { imgSize: told } }: Facts,
  { imgSize }: ConvertOptions,
): Assumption[] {
  if (!told || imgSize || String(gridSize({ ...source, imgSize: told.value })) === String(gridSize(source))) {
    return [];
  }
  // Images of that size, for which the position embeddings are resampled: `resized` says so.
  if (String(config.imgSize) === String(told.value)) return [];
  const why = `the position embeddings are of ${source.imgSize.join('×')} pixels, ${told.source} says ${told.value.join('×')}; --img-size resamples them`;
  return [{ field: 'imgSize', value: config.imgSize.join('×'), why }];
}

/** A number of classes that is told and that the head has not. */
function otherCount(
  { numClasses: have }: VitConfig,
  { config: { numClasses: told }, labels }: Facts,
  { numClasses }: ConvertOptions,
): Assumption[] {
  if (!told || told.value === have || numClasses !== undefined) return [];
  if (have === 0) {
    const why = `the file has no head, ${told.source} says ${told.value} classes: predict gives features`;
    return [{ field: 'numClasses', value: '0', why }];
  }
  // Of names it is said already.
  if (labels?.value.length === told.value) return [];
  const why = `the head has ${have} outputs, ${told.source} says ${told.value}`;
  return [{ field: 'numClasses', value: String(have), why }];
}

/** A softmax of one number is 1, whatever the number. */
const ONE_CLASS: Assumption = {
  field: 'probabilities',
  value: 'softmax',
  why: 'the softmax of one output is always 1: read the logit as it is, or by a sigmoid',
};

/** The model at the size that is wanted, else that of the images that it is given (DINOv2's are not its embeddings'). */
function targetConfig(source: VitConfig, facts: Facts, options: ConvertOptions): VitConfig {
  const imgSize = options.imgSize ?? facts.preprocessing?.value.crop ?? source.imgSize;
  const [rows, columns] = patchSides(source);
  if (imgSize[0] < rows || imgSize[1] < columns) {
    throw new UserError(
      `an input of ${imgSize.join('×')} pixels is smaller than the model's patch of ${patchText(source)}`,
    );
  }
  const name =
    String(imgSize) === String(source.imgSize)
      ? source.name
      : source.name.replace(/_\d+(x\d+)?$/, `_${inputName({ imgSize })}`);
  return compactConfig({ ...source, name, imgSize, numClasses: options.numClasses ?? source.numClasses });
}

/** Every tensor must have PyTorch's shape for the architecture, and be readable: the first that has not is named. */
function checkShapes(found: FoundModel, { config: source, unused }: Inferred, file: string): void {
  // A bias of queries alone would else be left out: BEiT has none for its keys.
  const [part] = found.missingKeys;
  if (part !== undefined) {
    throw new UserError(
      `${file}: the tensor ${found.shownPrefix}${part} is missing (${found.naming.name} naming), and what stands beside it is there; the file is not whole, or of another kind of model (BEiT and Data2Vec have no bias of keys)`,
    );
  }
  const expected = new Set<string>(unused);
  for (const { name, shape } of weightSpecs(source)) {
    expected.add(name);
    if (name === 'head.bias' && !found.weights.has(name) && hasNoBias(found)) continue;
    const want = name.endsWith('.kernel') ? torchShape(shape) : [...shape];
    const have = torchShapeOf(found, name);
    if (!have) throw new UserError(missingText(file, found, name));
    if (String(withoutOnes(want)) !== String(withoutOnes(have))) {
      throw new UserError(
        `${file}: ${nameInCheckpoint(found, name)} should have shape [${want.join(', ')}], has [${have.join(', ')}]`,
      );
    }
    for (const { tensor } of found.weights.get(name)!) {
      if (tensor.unreadable)
        throw new UserError(`${file}: the tensor ${tensor.name} is needed, but ${tensor.unreadable}`);
      if (/^(u?int\d+|bool)$/.test(tensor.dtype)) {
        throw new UserError(
          `${file}: ${tensor.name} has whole numbers (${tensor.dtype}), a quantiser’s codes; save the model in floating point`,
        );
      }
    }
  }
  // transformers saves the register tokens of a model that has none, [1, 0, D].
  const isEmpty = (name: string) =>
    found.weights.get(name)!.every(({ tensor }) => sizeOf(tensor.shape) === 0);
  const extra = [...found.weights.keys()].find((name) => !expected.has(name) && !isEmpty(name));
  if (extra) throw new UserError(`${file}: ${nameInCheckpoint(found, extra)} has no place in ${source.name}`);
}

/** Tokens and positions are [D] and [N, D] in some code bases. */
function withoutOnes(shape: readonly number[]): number[] {
  return shape.slice(shape.findIndex((size, i) => size !== 1 || i === shape.length - 1));
}

/** CLIP's projection into the space of texts and images is a linear layer without bias. */
function hasNoBias({ weights }: FoundModel): boolean {
  const [head] = weights.get('head.kernel') ?? [];
  return head?.tensor.name.endsWith('visual_projection.weight') === true;
}

/** Widths of published CLIPs' projections, which timm keeps in the head. */
const PROJECTIONS = [512, 640, 768, 1024, 1280];

/** A head that is a projection has no classes. */
function projection(
  found: FoundModel,
  source: VitConfig,
  { numClasses }: VitConfig,
  labels: readonly string[] | undefined,
): Assumption[] {
  const isOwn = numClasses > 0 && numClasses === source.numClasses;
  const isLikely = source.preNorm && PROJECTIONS.includes(numClasses) && labels === undefined;
  if (!isOwn || !(hasNoBias(found) || isLikely)) return [];
  const head = nameInCheckpoint(found, 'head.kernel');
  const what = hasNoBias(found) ? `${head} gives` : `${head} is as wide as CLIP’s projections, which give`;
  const why = `${what} an embedding to compare with texts, no classes: its probabilities mean nothing, its logits are the embedding`;
  return [{ field: 'probabilities', value: 'softmax', why }];
}

/** Names of the classes, and whether they are a guess. */
function labelsOf(
  { labels, numClasses }: ConvertOptions,
  facts: Facts,
  config: VitConfig,
  file: string,
): { value: readonly string[] | undefined; assumptions: Assumption[] } {
  if (labels) {
    if (labels.length === config.numClasses) return { value: labels, assumptions: [] };
    throw new UserError(
      `${file}: the model has ${config.numClasses} classes, the labels file names ${labels.length}`,
    );
  }
  const told = facts.labels?.value;
  if (told?.length === config.numClasses) return { value: told, assumptions: [] };
  if (told && told.length > 0 && config.numClasses > 0 && numClasses === undefined) {
    const why = `${facts.labels.source} names ${told.length} classes, the model has ${config.numClasses}: the names are left out; --labels gives the right ones`;
    return { value: undefined, assumptions: [{ field: 'labels', value: 'none', why }] };
  }
  if (config.numClasses !== 1000) return { value: undefined, assumptions: [] };
  const why = 'a model with 1000 classes is taken for one of ImageNet-1k’s; --labels says otherwise';
  return { value: imagenetLabels, assumptions: [{ field: 'labels', value: 'ImageNet-1k', why }] };
}

function weightReader(found: FoundModel, source: VitConfig, config: VitConfig, file: string): WeightReader {
  const specs = new Map(weightSpecs(config).map((spec) => [spec.name, spec]));
  const oneNorm = isMmpretrainDeit3(found, source);
  return async (name) => {
    const spec = specs.get(name);
    if (!spec) throw new UserError(`${config.name} has no weight named ${name}`);
    if (isHeadWeight(name) && config.numClasses !== source.numClasses) {
      // One seed for all: the same command gives the same bytes.
      return initialWeight(spec, Random.fromSeed(name.startsWith('head_dist.') ? 2 : 1));
    }
    const located = found.weights.get(name);
    if (!located) return new Float32Array(sizeOf(spec.shape));
    const values = await weightValues(located, name, found.naming.layout, spec.shape);
    checkFinite(values, nameInCheckpoint(found, name), file);
    if (oneNorm && name.endsWith('.norm2.gamma')) {
      refuseUntrainedNorm(values, nameInCheckpoint(found, name), file);
    }
    return name === 'pos_embed' ? resampled(values, source, config, found) : values;
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
  { naming }: FoundModel,
): Float32Array {
  const [from, to] = [gridSize(source), gridSize(config)];
  if (String(from) === String(to)) return values;
  return resamplePosEmbed(values, config.embedDim, numPrefixPositions(config), from, to, naming.resample);
}

function report(
  checkpoint: Checkpoint,
  found: FoundModel,
  { config: source, unused }: Inferred,
  config: VitConfig,
  heads: 'kept' | 'dropped' | 'fresh',
  assumptions: readonly Assumption[],
): ConvertReport {
  const [from, to] = [gridSize(source), gridSize(config)];
  const how = `${resampleText(found.naming.resample)}, as ${found.naming.resampledAs}`;
  const lost = (name: string) => unused.includes(name) || (heads !== 'kept' && isHeadWeight(name));
  const tensorsOf = (names: string[]) => [
    ...new Set(names.flatMap((name) => found.weights.get(name)!.map(({ tensor }) => tensor.name))),
  ];
  const names = [...found.weights.keys()];
  return {
    source: checkpoint.name,
    format: checkpoint.format,
    naming: found.naming.name,
    prefix: found.shownPrefix,
    model: config.name,
    parameters: countParameters(config),
    numHeads: config.numHeads,
    mapped: tensorsOf(names.filter((name) => !lost(name))).length,
    resampled:
      String(from) === String(to) ? [] : [`pos_embed: ${from.join('×')} → ${to.join('×')} patches, ${how}`],
    initialized:
      heads === 'fresh'
        ? weightSpecs(config)
            .map(({ name }) => name)
            .filter(isHeadWeight)
        : [],
    dropped: [...found.dropped, ...tensorsOf(names.filter(lost))],
    leftOver: found.leftOver,
    models: found.models,
    assumptions,
  };
}
