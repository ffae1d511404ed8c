import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { roundHalfToEven } from './crop.js';
import { normalize } from './normalize.js';
import { resizeAndCrop } from './resize.js';
import type { Preprocessing, Resize, RgbImage } from './types.js';

/**
 * Size [width, height] of an image after the resize. With `short`, the long side is truncated as torchvision
 * and mmpretrain truncate it: int(size · long / short).
 *
 * @throws UserError if the image is so thin that nothing of a side would be left
 */
export function resizedSize(width: number, height: number, resize: Resize): [width: number, height: number] {
  const size = sizeBy(width, height, resize);
  if (Math.min(...size) >= 1) return size;
  throw new UserError(
    `an image of ${width} × ${height} pixels is too thin: resized by ${JSON.stringify(resize)} it has ${size.join(' × ')}; crop it`,
  );
}

function sizeBy(width: number, height: number, resize: Resize): [width: number, height: number] {
  switch (resize.mode) {
    case 'none':
      return [width, height];
    case 'squash':
      return [resize.width, resize.height];
    case 'short':
      return resize.longest === undefined
        ? shortSide(width, height, resize.size, resize.size)
        : bounded(width, height, resize.size, resize.longest);
    default: {
      const [across, down] = [width / resize.width, height / resize.height];
      const ratio = resize.mode === 'cover' ? Math.min(across, down) : Math.max(across, down);
      return [roundHalfToEven(width / ratio), roundHalfToEven(height / ratio)];
    }
  }
}

/** The short side as `size`, the long one by `exact`, the size before it was rounded. */
function shortSide(width: number, height: number, size: number, exact: number): [number, number] {
  if (width <= height) return [size, Math.floor((exact * height) / width)];
  return [Math.floor((exact * width) / height), size];
}

/** get_size_with_aspect_ratio of Hugging Face's image_transforms.py. */
function bounded(width: number, height: number, size: number, longest: number): [number, number] {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const exact = (long / short) * size > longest ? (longest * short) / long : size;
  const rounded = exact === size ? size : roundHalfToEven(exact);
  return short === rounded ? [width, height] : shortSide(width, height, rounded, exact);
}

/** The part of an image that a model sees, with as many pixels as it sees: resized and cropped, not normalised. */
export function resizeToInput(image: RgbImage, preprocessing: Preprocessing): RgbImage {
  const [width, height] = resizedSize(image.width, image.height, preprocessing.resize);
  return resizeAndCrop(image, width, height, preprocessing.crop, preprocessing);
}

/**
 * An image as a model's input: resized, cropped at the centre, normalised. Gives float32 [H, W, 3] for the crop's
 * H × W, in `out` if given.
 */
export function preprocess(
  image: RgbImage,
  preprocessing: Preprocessing,
  out?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  checkArguments('preprocess', { image: ['rgb', image], preprocessing: ['preprocessing', preprocessing] });
  const { mean, std, rescaleFactor } = preprocessing;
  return normalize(resizeToInput(image, preprocessing), mean, std, out, rescaleFactor);
}
