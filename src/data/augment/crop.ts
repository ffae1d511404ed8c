import { crop, roundHalfToEven, type Window } from '../../image/crop.js';
import { resize } from '../../image/resize.js';
import type { RgbImage } from '../../image/types.js';
import type { Random } from '../../random.js';
import type { AugmentConfig } from '../config.js';
import { integerBetween, uniformBetween } from './seeds.js';

/** How often a rectangle is drawn before the middle of the image is taken. */
const ATTEMPTS = 10;

/**
 * timm's RandomResizedCropAndInterpolation (torchvision's RandomResizedCrop) with bicubic interpolation: a rectangle of
 * random area and shape, resized to [height, width].
 */
export function randomResizedCrop(
  image: RgbImage,
  size: readonly [number, number],
  options: NonNullable<AugmentConfig['randomResizedCrop']>,
  random: Random,
): RgbImage {
  const window = drawWindow(image, options, random);
  return resize(crop(image, window), size[1], size[0]);
}

function drawWindow(
  { width, height }: RgbImage,
  { scale, ratio }: NonNullable<AugmentConfig['randomResizedCrop']>,
  random: Random,
): Window {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = uniformBetween(random, ...scale) * (width * height);
    const aspect = Math.exp(uniformBetween(random, Math.log(ratio[0]), Math.log(ratio[1])));
    const w = roundHalfToEven(Math.sqrt(area * aspect));
    const h = roundHalfToEven(Math.sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = integerBetween(random, 0, height - h);
    return { top, left: integerBetween(random, 0, width - w), width: w, height: h };
  }
  return middle(width, height, ratio);
}

/** The largest rectangle in the middle whose shape is within the range. */
function middle(width: number, height: number, [least, most]: readonly [number, number]): Window {
  const shape = width / height;
  const w = shape > most ? Math.max(1, roundHalfToEven(height * most)) : width;
  const h = shape < least ? Math.max(1, roundHalfToEven(width / least)) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** The image mirrored left to right. */
export function flip({ data, width, height }: RgbImage): RgbImage {
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + width - 1 - x) * 3;
      const to = (y * width + x) * 3;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { data: out, width, height };
}
