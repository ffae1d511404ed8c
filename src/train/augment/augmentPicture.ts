import { normalize } from '../../image/normalize.js';
import { resizeToInput } from '../../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../../image/types.js';
import type { AugmentConfig } from '../data/types.js';
import { randomAffine } from './affine.js';
import { colorJitter } from './colorJitter.js';
import { flip, randomResizedCrop } from './crop.js';
import { parseRandAugment, randAugment } from './randAugment.js';
import { randomErasing } from './randomErasing.js';
import { randomFor } from './seeds.js';

/** Each step draws from a stream of its own: leaving one out changes no other's choices. */
const STEP = { crop: 0, affine: 1, flip: 2, color: 3, randAugment: 4, erasing: 5 } as const;

/** Which picture of a run is made: all that its random choices depend on. */
export interface Draw {
  readonly seed: number;
  readonly epoch: number;
  /** Place in the epoch. */
  readonly place: number;
}

/**
 * A picture as a training input: cropped at random, changed as the configuration says, normalised, erased in part. Gives
 * float32 [H, W, 3] for the preprocessing's crop, in `out`.
 */
export function augmentPicture(
  image: RgbImage,
  augment: AugmentConfig,
  preprocessing: Preprocessing,
  { seed, epoch, place }: Draw,
  out: Float32Array<ArrayBuffer>,
): void {
  const { crop: size, mean, std, rescaleFactor } = preprocessing;
  const stream = (step: number) => randomFor(seed, epoch, place, step);
  let picture = augment.randomResizedCrop
    ? randomResizedCrop(image, size, augment.randomResizedCrop, stream(STEP.crop))
    : resizeToInput(image, preprocessing);
  if (augment.affine) picture = randomAffine(picture, augment.affine, stream(STEP.affine));
  if (stream(STEP.flip).uniform() < augment.hflip) picture = flip(picture);
  if (augment.randAugment !== null) {
    picture = randAugment(picture, parseRandAugment(augment.randAugment), mean, stream(STEP.randAugment));
  } else if (augment.colorJitter > 0) {
    picture = colorJitter(picture, augment.colorJitter, stream(STEP.color));
  }
  normalize(picture, mean, std, out, rescaleFactor);
  if (augment.randomErasing > 0) randomErasing(out, size, augment.randomErasing, stream(STEP.erasing));
}
