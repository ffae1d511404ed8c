import type { AugmentConfig, DataConfig, MixConfig } from '../data/config.js';
import type { VitConfig } from '../families/vit/config.js';
import type { Distillation } from './loss.js';
import type { Schedule } from './schedule.js';

/** The shape of the student: a named model's, with the fields that are not null put in its place. */
export type StudentConfig = { readonly name: string | null } & {
  readonly [Field in
    | 'patchSize'
    | 'embedDim'
    | 'depth'
    | 'numHeads'
    | 'mlpRatio'
    | 'layerScale'
    | 'distilled'
    | 'dropPathRate']: VitConfig[Field] | null;
} & {
  /** Side of the square input in pixels. */
  readonly imgSize: number | null;
};

/** All that a training run is given. Plain data: it is stored beside the run's results. */
export interface TrainConfig {
  readonly model: StudentConfig;
  readonly init: {
    /** Folder, URL or checkpoint to start from: its shape takes the place of `model.name`. */
    readonly from: string | null;
    /** Fresh matrices: normal, deviation 0.02 (DeiT), or Xavier uniform, which narrow models learn faster from. */
    readonly scheme: 'deit' | 'xavier';
  };
  readonly train: {
    /** Blocks from the first that stay as they are, with the embeddings before them. */
    readonly frozenBlocks: number;
    readonly attentionOnly: boolean;
  };
  readonly data: DataConfig;
  readonly val: DataConfig;
  /** Preset of the evaluation's preprocessing, whose mean and deviation training takes too. */
  readonly preset: string;
  readonly augment: AugmentConfig;
  readonly mix: MixConfig;
  readonly labelSmoothing: number;
  readonly distillation: Distillation & {
    /** Folder, URL or checkpoint of one of our models, of a tf.LayersModel or of a GraphModel. */
    readonly teacher: string | null;
  };
  readonly optimizer: {
    /** Learning rate for batches of `lrBatch` pictures, scaled linearly to the batch; as it is if that is null. */
    readonly lr: number;
    readonly lrBatch: number | null;
    readonly weightDecay: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    /** Largest global norm of the gradients, or null. */
    readonly clipGrad: number | null;
  };
  readonly schedule: Omit<Schedule, 'duration' | 'lr' | 'warmup'> & {
    readonly epochs: number;
    readonly warmupEpochs: number;
    /** Whether the rate changes from epoch to epoch, as in facebookresearch/deit, or from step to step. */
    readonly per: 'epoch' | 'step';
  };
  /** Pictures in a forward pass. */
  readonly batchSize: number;
  /** Batches whose gradients are averaged for a step. */
  readonly accumulate: number;
  /** Decay of the running mean of the weights a step, or null for none. */
  readonly emaDecay: number | null;
  readonly evalBatchSize: number;
  /** Steps between checkpoints within an epoch (there is always one at its end), or null. */
  readonly saveEverySteps: number | null;
  readonly seed: number;
  /** Threads that read and augment pictures. */
  readonly workers: number;
  readonly backend: string;
  /** Folder for all results. */
  readonly output: string;
}

const AUGMENT: AugmentConfig = {
  randomResizedCrop: { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
  affine: null,
  hflip: 0.5,
  colorJitter: 0.3,
  randAugment: 'rand-m9-mstd0.5-inc1',
  randomErasing: 0.25,
  repeats: 3,
};

/** facebookresearch/deit's recipe (DeiT, arXiv 2012.12877, table 9), for whatever a configuration does not say. */
export const DEFAULT_CONFIG: TrainConfig = {
  model: {
    name: null,
    imgSize: null,
    patchSize: null,
    embedDim: null,
    depth: null,
    numHeads: null,
    mlpRatio: null,
    layerScale: null,
    distilled: null,
    dropPathRate: 0.1,
  },
  init: { from: null, scheme: 'deit' },
  train: { frozenBlocks: 0, attentionOnly: false },
  data: { format: 'folder', path: '', split: 'train', limit: null },
  val: { format: 'folder', path: '', split: 'test', limit: null },
  preset: 'deit',
  augment: AUGMENT,
  mix: { mixup: 0.8, cutmix: 1, prob: 1, switchProb: 0.5 },
  labelSmoothing: 0.1,
  distillation: { type: 'none', alpha: 0.5, tau: 1, teacher: null },
  optimizer: {
    lr: 5e-4,
    lrBatch: 512,
    weightDecay: 0.05,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    clipGrad: null,
  },
  schedule: { epochs: 300, minLr: 1e-5, warmupEpochs: 5, warmupLr: 1e-6, per: 'epoch' },
  batchSize: 64,
  accumulate: 1,
  emaDecay: 0.99996,
  evalBatchSize: 64,
  saveEverySteps: null,
  seed: 0,
  workers: 2,
  backend: 'auto',
  output: '',
};

/** What stands for a group that is null by default when one of its fields is given. */
export const GROUPS: Record<string, object> = {
  'augment.randomResizedCrop': AUGMENT.randomResizedCrop!,
  'augment.affine': { degrees: 0, translate: 0, scale: [1, 1] },
};

/** A configuration of which only what differs from the defaults is said. */
export type PartialConfig = DeepPartial<TrainConfig>;
type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> }
    : T;
