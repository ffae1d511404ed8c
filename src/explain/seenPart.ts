import { centerCropWindow, crop } from '../image/crop.js';
import { resizedSize } from '../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../image/types.js';

/** The part of a picture that reaches the model, at the picture's own resolution: what a map is laid over. */
export function seenPart(image: RgbImage, preprocessing: Preprocessing): RgbImage {
  const [width, height] = resizedSize(image.width, image.height, preprocessing.resize);
  const { window } = centerCropWindow(width, height, preprocessing.crop);
  const left = Math.round((window.left * image.width) / width);
  const top = Math.round((window.top * image.height) / height);
  const right = Math.round(((window.left + window.width) * image.width) / width);
  const bottom = Math.round(((window.top + window.height) * image.height) / height);
  return crop(image, { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) });
}
