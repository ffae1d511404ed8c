import { normalize } from '../../image/normalize.js';
import { resizeToInput } from '../../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../../image/types.js';
import type { AugmentConfig } from '../config.js';
import { randomAffine } from './affine.js';
import { colorJitter } from './colorJitter.js';
import { flip, randomResizedCrop } from './crop.js';
import { parseRandAugment, randAugment } from './randAugment.js';
import { randomErasing } from './randomErasing.js';
import { randomFor } from './seeds.js';

/** Each step draws from a stream of its own: leaving one out changes no other's choices. */
const STEP = { crop: 0, affine: 1, flip: 2, color: 3, randAugment: 4, erasing: 5 } as const;

/** What the random choices of an image depend on. */
export interface SampleKey {
  readonly seed: number;
  readonly epoch: number;
  /** Place in the epoch. */
  readonly place: number;
}

/**
 * An image as a training input: cropped at random, changed as the configuration says, normalised, erased in part. Gives
 * float32 [H, W, 3] for the preprocessing's crop, in `out`.
 */
export function augmentImage(
  image: RgbImage,
  augment: AugmentConfig,
  preprocessing: Preprocessing,
  { seed, epoch, place }: SampleKey,
  out: Float32Array<ArrayBuffer>,
): void {
  const { crop: size, mean, std, rescaleFactor } = preprocessing;
  const stream = (step: number) => randomFor(seed, epoch, place, step);
  let changed = augment.randomResizedCrop
    ? randomResizedCrop(image, size, augment.randomResizedCrop, stream(STEP.crop))
    : resizeToInput(image, preprocessing);
  if (augment.affine) changed = randomAffine(changed, augment.affine, stream(STEP.affine));
  if (stream(STEP.flip).uniform() < augment.hflip) changed = flip(changed);
  if (augment.randAugment !== null) {
    changed = randAugment(changed, parseRandAugment(augment.randAugment), mean, stream(STEP.randAugment));
  } else if (augment.colorJitter > 0) {
    changed = colorJitter(changed, augment.colorJitter, stream(STEP.color));
  }
  normalize(changed, mean, std, out, rescaleFactor);
  if (augment.randomErasing > 0) randomErasing(out, size, augment.randomErasing, stream(STEP.erasing));
}
