/**
 * What the trainer and its data agree on. A data set (PictureSet) gives pictures by place; a TrainData turns them into
 * batches, augmented, on as many threads as there are; the trainer mixes (mixup, cutmix), smooths and trains.
 */
import type { Preprocessing, RgbImage } from '../../image/types.js';

/** Where pictures lie. Plain data: worker threads open the set anew from it. */
export interface DataConfig {
  /**
   * `folder`: class folders of pictures (torchvision's ImageFolder); `mnist`: the IDX files of MNIST or Fashion-MNIST,
   * gzipped or not; `cifar10`: CIFAR-10's binary batches.
   */
  readonly format: 'folder' | 'mnist' | 'cifar10';
  /** A folder: of the class folders for `folder`, of the files of both splits otherwise. */
  readonly path: string;
  /** Which files of `mnist` and `cifar10`; `folder` has a path a split. */
  readonly split: 'train' | 'test';
  /** Take every picture whose place is below this only; null takes all. */
  readonly limit: number | null;
}

/** Random changes of single pictures, in the order in which they are applied. 0 or null leaves one out. */
export interface AugmentConfig {
  /** RandomResizedCrop to the model's input; null resizes and crops as for evaluation. */
  readonly randomResizedCrop: {
    /** Range of the crop's area, as a part of the picture's. */
    readonly scale: readonly [number, number];
    /** Range of width / height. */
    readonly ratio: readonly [number, number];
  } | null;
  /** RandomAffine about the centre, bilinear, black outside (torchvision). */
  readonly affine: {
    /** Largest turn either way, in degrees. */
    readonly degrees: number;
    /** Largest shift either way, as a part of width and height. */
    readonly translate: number;
    /** Range of the scaling. */
    readonly scale: readonly [number, number];
  } | null;
  /** Probability of a horizontal flip. */
  readonly hflip: number;
  /** Strength of brightness, contrast and saturation jitter; not used with randAugment, as in timm. */
  readonly colorJitter: number;
  /** timm's string, e.g. `rand-m9-mstd0.5-inc1`. */
  readonly randAugment: string | null;
  /** Random erasing of normalised pixels with noise (timm's mode `pixel`): probability. */
  readonly randomErasing: number;
  /** How often each picture is in an epoch, in other augmentations (repeated augmentation); 1 for once. */
  readonly repeats: number;
}

/** Mixing of a batch's pictures with one another (timm's Mixup, mode `batch`). */
export interface MixConfig {
  /** Beta's parameter of mixup; 0 for none. */
  readonly mixup: number;
  /** Beta's parameter of cutmix; 0 for none. */
  readonly cutmix: number;
  /** Probability that a batch is mixed. */
  readonly prob: number;
  /** Probability of cutmix where both are on. */
  readonly switchProb: number;
}

/** A labelled set of pictures, read one by one. */
export interface PictureSet {
  /** Path and format, for messages. */
  readonly name: string;
  readonly length: number;
  readonly classNames: readonly string[];
  /** Class of each picture. */
  readonly labels: Int32Array;
  /** What to call a picture in a message: its file, or its place in a file. */
  describe(index: number): string;
  /** Throws a UserError that names the picture if it cannot be read. */
  read(index: number): Promise<RgbImage>;
  close(): Promise<void>;
}

/** Pictures of a batch, ready for a model. */
export interface PictureBatch {
  /** Normalised, [B, height, width, 3] in row-major order. */
  readonly pixels: Float32Array;
  /** [B] classes. */
  readonly labels: Int32Array;
  /** [B] places in the set. */
  readonly indices: Int32Array;
}

export interface BatchOptions {
  readonly batchSize: number;
  /** Batches to leave out at the front of the epoch: resuming goes on there. */
  readonly start: number;
}

/**
 * Batches of a set. The same seed, epoch and batch size give the same batches to the bit, whatever the number of
 * threads and wherever `start` is: the order comes from (seed, epoch), each picture's random choices from (seed, epoch,
 * place in the epoch) alone.
 */
export interface TrainData {
  readonly name: string;
  readonly length: number;
  readonly classNames: readonly string[];
  /** What to call a picture in a message. */
  describe(index: number): string;
  /** Whole batches in an epoch of training: the last part of a batch is left out, as in facebookresearch/deit. */
  batchesPerEpoch(batchSize: number): number;
  /** An epoch's augmented batches in random order, the next ones prepared ahead. */
  batches(epoch: number, options: BatchOptions): AsyncIterable<PictureBatch>;
  close(): Promise<void>;
}

/** Batches in the set's order, unaugmented, the last one as small as it is. */
export interface EvalData {
  readonly name: string;
  readonly length: number;
  readonly classNames: readonly string[];
  batches(batchSize: number): AsyncIterable<PictureBatch>;
  close(): Promise<void>;
}

/** How a platform opens training data: src/node/trainData.ts. */
export interface TrainDataOptions {
  readonly data: DataConfig;
  readonly augment: AugmentConfig;
  /** Input size, mean and deviation; and the whole way of a picture where nothing is augmented. */
  readonly preprocessing: Preprocessing;
  readonly seed: number;
  /** Threads that read and augment; 0 for none but the caller's. */
  readonly workers: number;
}

export type OpenTrainData = (options: TrainDataOptions) => Promise<TrainData>;
export type OpenEvalData = (
  options: Pick<TrainDataOptions, 'data' | 'preprocessing' | 'workers'>,
) => Promise<EvalData>;

/**
 * Mixes a batch (src/train/augment/mix.ts): pixels and targets, float32 [B, classes], each row a distribution; `smoothing`
 * is the label smoothing of timm's mixup_target. Without mixing, the targets alone are smoothed.
 */
export type MixBatch = (
  batch: PictureBatch,
  imgSize: readonly [number, number],
  options: MixConfig & { readonly numClasses: number; readonly smoothing: number },
  seed: number,
) => { pixels: Float32Array; targets: Float32Array };
