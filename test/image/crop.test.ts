import { expect, test } from '@jest/globals';
import { centerCrop, centerCropWindow, crop } from '../../src/image/crop.js';
import { reference, sha256, testImage } from './images.js';

test.each(reference.crops)('centre crop of $from to $crop is torchvision’s', ({
  from,
  crop,
  sha256: bytes,
}) => {
  const cropped = centerCrop(testImage(...from), crop);
  expect([cropped.height, cropped.width]).toEqual(crop);
  expect(sha256(cropped.data)).toBe(bytes);
});

test('halves of the crop offset go to the even side, as Python rounds them', () => {
  const left = (width: number, size: number) => centerCropWindow(width, 8, [8, size]).window.left;
  expect([left(5, 4), left(7, 4), left(9, 4), left(11, 4), left(10, 4)]).toEqual([0, 2, 2, 4, 3]);
});

test('crop copies a rectangle and refuses one that reaches outside', () => {
  const image = { data: Uint8Array.from({ length: 3 * 3 * 3 }, (_, i) => i), width: 3, height: 3 };
  const part = crop(image, { left: 1, top: 2, width: 2, height: 1 });
  expect([...part.data]).toEqual([21, 22, 23, 24, 25, 26]);
  expect(() => crop(image, { left: 2, top: 0, width: 2, height: 1 })).toThrow(/2 × 1 at \(2, 0\).*3 × 3/);
  expect(() => crop(image, { left: 0, top: -1, width: 2, height: 1 })).toThrow(RangeError);
});
