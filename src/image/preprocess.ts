import { normalize } from './normalize.js';
import { resizeAndCrop } from './resize.js';
import type { Preprocessing, RgbImage } from './types.js';

/**
 * Size [width, height] of a picture after the resize. With `short`, the long side is truncated as torchvision
 * and mmpretrain truncate it: int(size · long / short).
 */
export function resizedSize(
  width: number,
  height: number,
  resize: Preprocessing['resize'],
): [width: number, height: number] {
  if (resize.mode === 'squash') return [resize.width, resize.height];
  const { size } = resize;
  if (width <= height) return [size, Math.floor((size * height) / width)];
  return [Math.floor((size * width) / height), size];
}

/**
 * A picture as a model's input: resized (bicubic), cropped at the centre, normalised. Gives float32 [H, W, 3] for
 * the crop's H × W, in `out` if given.
 */
export function preprocess(
  image: RgbImage,
  preprocessing: Preprocessing,
  out?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const { resize, crop, mean, std } = preprocessing;
  const [width, height] = resizedSize(image.width, image.height, resize);
  return normalize(resizeAndCrop(image, width, height, crop), mean, std, out);
}
