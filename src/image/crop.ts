import type { Preprocessing, RgbImage } from './types.js';

/** A rectangle of an image, in pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Python's `round`: to the nearest integer, halves to the even one. */
export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Where a centred line of `crop` pixels lies in one of `size`: `start` in the line, or `pad` before it. */
function centerOnAxis(size: number, crop: number, rounding: 'even' | 'down') {
  const half = Math.abs(size - crop) / 2;
  if (crop > size)
    return { start: 0, length: size, pad: rounding === 'even' ? Math.floor(half) : Math.ceil(half) };
  return { start: rounding === 'even' ? roundHalfToEven(half) : Math.floor(half), length: crop, pad: 0 };
}

/**
 * The part of a width × height image that a centre crop to [height, width] keeps, and the rows and columns of
 * padding before it where the image is smaller: torchvision's CenterCrop, or with `down` the center_crop of Hugging
 * Face's image_transforms.py.
 */
export function centerCropWindow(
  width: number,
  height: number,
  crop: readonly [number, number],
  rounding: 'even' | 'down' = 'even',
): { window: Window; padTop: number; padLeft: number } {
  const x = centerOnAxis(width, crop[1], rounding);
  const y = centerOnAxis(height, crop[0], rounding);
  const window = { left: x.start, top: y.start, width: x.length, height: y.length };
  return { window, padTop: y.pad, padLeft: x.pad };
}

/** The rectangle `window` of the image, as a copy. Throws a RangeError if it reaches outside. */
export function crop(image: RgbImage, window: Window): RgbImage {
  const { left, top, width, height } = window;
  if (left < 0 || top < 0 || left + width > image.width || top + height > image.height) {
    const wanted = `${width} × ${height} at (${left}, ${top})`;
    throw new RangeError(`crop of ${wanted} reaches outside an image of ${image.width} × ${image.height}`);
  }
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const begin = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(begin, begin + width * 3), y * width * 3);
  }
  return { data, width, height };
}

/** The image on a ground (black by default) of [height, width] pixels, `padTop` rows and `padLeft` columns from its corner. */
export function padTo(
  image: RgbImage,
  size: readonly [number, number],
  padTop: number,
  padLeft: number,
  fill: Preprocessing['fill'] = [0, 0, 0],
): RgbImage {
  const [height, width] = size;
  if (image.height === height && image.width === width) return image;
  const data = new Uint8Array(width * height * 3);
  if (fill.some((level) => level !== 0)) for (let i = 0; i < data.length; i++) data[i] = fill[i % 3]!;
  const rowBytes = image.width * 3;
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * rowBytes, (y + 1) * rowBytes);
    data.set(row, ((padTop + y) * width + padLeft) * 3);
  }
  return { data, width, height };
}

/** The centre of the image, [height, width] pixels, padded with zeros where it is smaller than that. */
export function centerCrop(image: RgbImage, size: readonly [number, number]): RgbImage {
  const { window, padTop, padLeft } = centerCropWindow(image.width, image.height, size);
  return padTo(crop(image, window), size, padTop, padLeft);
}
