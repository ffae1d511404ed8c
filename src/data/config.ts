/** What a configuration says of data, as schemas. */

import type { Whole } from '../schema.js';
import {
  changeable,
  choice,
  field,
  group,
  number,
  orNone,
  probability,
  range,
  text,
  whole,
} from '../schema.js';
import { DATA_FORMATS, type DataFormatName, SPLITS, type Split } from './formats.js';

/** Where images are. */
export const dataSchema = (what: string, split: Split) =>
  group({
    format: field(
      choice(`format of the ${what} data`, Object.keys(DATA_FORMATS) as DataFormatName[]),
      'folder',
    ),
    path: field(changeable(text(`folder of the ${what} data`)), ''),
    split: field(choice('which files of mnist and cifar10; class folders have a path each', SPLITS), split),
    limit: field(orNone(whole('take the first so many images only', 1)), null),
  });
export type DataConfig = Whole<ReturnType<typeof dataSchema>>;

/** Random changes of single images, in the order in which they are applied. 0 or null leaves one out. */
export const augmentSchema = () =>
  group({
    randomResizedCrop: field(
      orNone(
        group({
          scale: field(range("area of the crop, as a part of the image's", { min: 0, max: 1 }), [0.08, 1]),
          ratio: field(range('width / height of the crop', { min: 0 }), [3 / 4, 4 / 3]),
        }),
      ),
      {},
    ),
    /** RandomAffine about the centre, bilinear, black outside (torchvision). */
    affine: field(
      orNone(
        group({
          degrees: field(number('largest rotation either way, in degrees', { min: 0, max: 180 }), 0),
          translate: field(probability('largest shift, as a part of the sides'), 0),
          scale: field(range('scaling', { min: 0 }), [1, 1]),
        }),
      ),
      null,
    ),
    hflip: field(probability('probability of a horizontal flip'), 0.5),
    /** Not used with randAugment, as in timm. */
    colorJitter: field(number('strength of brightness, contrast and saturation jitter'), 0.3),
    randAugment: field(orNone(text('RandAugment, e.g. rand-m9-mstd0.5-inc1')), 'rand-m9-mstd0.5-inc1'),
    /** timm's mode `pixel`: normalised pixels become noise. */
    randomErasing: field(probability('probability of random erasing'), 0.25),
    /** Repeated augmentation. */
    repeats: field(whole('how often each image is in an epoch, in other augmentations', 1, 1000), 3),
  });
export type AugmentConfig = Whole<ReturnType<typeof augmentSchema>>;

/** Mixing of a batch's images with one another (timm's Mixup, mode `batch`). */
export const mixSchema = () =>
  group({
    mixup: field(number("mixup's beta parameter; 0: none"), 0.8),
    cutmix: field(number("cutmix's beta parameter; 0: none"), 1),
    prob: field(probability('probability that a batch is mixed'), 1),
    switchProb: field(probability('probability of cutmix where both are on'), 0.5),
  });
export type MixConfig = Whole<ReturnType<typeof mixSchema>>;
