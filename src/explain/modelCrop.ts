import { centerCropWindow, crop, type Window } from '../image/crop.js';
import { resizedSize } from '../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../image/types.js';

/** The part of a picture that reaches the model, at the picture's own resolution: what a map is laid over. */
export function modelCrop(image: RgbImage, preprocessing: Preprocessing): RgbImage {
  return crop(image, modelCropWindow(image.width, image.height, preprocessing));
}

/** Where that part lies in a picture of the given size, in the picture's pixels. */
export function modelCropWindow(
  pictureWidth: number,
  pictureHeight: number,
  preprocessing: Preprocessing,
): Window {
  const [width, height] = resizedSize(pictureWidth, pictureHeight, preprocessing.resize);
  const { window } = centerCropWindow(width, height, preprocessing.crop, preprocessing.cropRounding);
  const left = Math.round((window.left * pictureWidth) / width);
  const top = Math.round((window.top * pictureHeight) / height);
  const right = Math.round(((window.left + window.width) * pictureWidth) / width);
  const bottom = Math.round(((window.top + window.height) * pictureHeight) / height);
  return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}
