/** What a configuration says of data. */
import type { DataFormatName, Split } from './formats.js';

/** Where images lie. */
export interface DataConfig {
  readonly format: DataFormatName;
  /** A folder: of the class folders for `folder`, of the files of both splits otherwise. */
  readonly path: string;
  /** Which files of `mnist` and `cifar10`; `folder` has a path a split. */
  readonly split: Split;
  /** Take the first so many images only; null takes all. */
  readonly limit: number | null;
}

/** Random changes of single images, in the order in which they are applied. 0 or null leaves one out. */
export interface AugmentConfig {
  /** RandomResizedCrop to the model's input; null resizes and crops as for evaluation. */
  readonly randomResizedCrop: {
    /** Range of the crop's area, as a part of the image's. */
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
  /** How often each image is in an epoch, in other augmentations (repeated augmentation); 1 for once. */
  readonly repeats: number;
}

/** Mixing of a batch's images with one another (timm's Mixup, mode `batch`). */
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
