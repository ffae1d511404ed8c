import { checkArguments } from '../checkArguments.js';
import { centerCropWindow, crop, type Window } from '../image/crop.js';
import { resizedSize } from '../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../image/types.js';

/** The part of an image that reaches the model, at the image's own resolution: what a map is laid over. */
export function modelCrop(image: RgbImage, preprocessing: Preprocessing): RgbImage {
  checkArguments('modelCrop', { image: ['rgb', image], preprocessing: ['preprocessing', preprocessing] });
  return crop(image, modelCropWindow(image.width, image.height, preprocessing));
}

/** Where that part lies in an image of the given size, in the image's pixels. */
export function modelCropWindow(
  imageWidth: number,
  imageHeight: number,
  preprocessing: Preprocessing,
): Window {
  checkArguments('modelCropWindow', {
    imageWidth: ['size', imageWidth],
    imageHeight: ['size', imageHeight],
    preprocessing: ['preprocessing', preprocessing],
  });
  const [width, height] = resizedSize(imageWidth, imageHeight, preprocessing.resize);
  const { window } = centerCropWindow(width, height, preprocessing.crop, preprocessing.cropRounding);
  const left = Math.round((window.left * imageWidth) / width);
  const top = Math.round((window.top * imageHeight) / height);
  const right = Math.round(((window.left + window.width) * imageWidth) / width);
  const bottom = Math.round(((window.top + window.height) * imageHeight) / height);
  return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}
