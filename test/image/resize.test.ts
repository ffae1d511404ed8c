import { expect, test } from '@jest/globals';
import { centerCrop } from '../../src/image/crop.js';
import { interpolations } from '../../src/image/filters.js';
import { resize, resizeAndCrop } from '../../src/image/resize.js';
import { reference, sha256, testImage } from './images.js';

test.each(reference.resizes)('resize $from to $to gives the bytes of Pillow', ({
  from,
  to,
  sha256: bytes,
}) => {
  const resized = resize(testImage(...from), ...to);
  expect([resized.width, resized.height]).toEqual(to);
  expect(sha256(resized.data)).toBe(bytes);
});

test.each(reference.filtered)('$interpolation from $from to $to gives the bytes of Pillow', ({
  from,
  to,
  interpolation,
  sha256: bytes,
}) => {
  const resized = resize(testImage(...from), ...to, interpolation);
  expect([resized.width, resized.height]).toEqual(to);
  expect(sha256(resized.data)).toBe(bytes);
});

test.each(interpolations)('resizeAndCrop with %s is resize, then crop', (interpolation) => {
  for (const [w, h, nw, nh, ch, cw] of [
    [100, 80, 60, 48, 31, 45],
    [60, 200, 40, 134, 32, 32],
    [20, 10, 61, 31, 40, 24],
  ] as const) {
    const image = testImage(w, h);
    const expected = centerCrop(resize(image, nw, nh, interpolation), [ch, cw]);
    expect(sha256(resizeAndCrop(image, nw, nh, [ch, cw], { interpolation }).data)).toBe(
      sha256(expected.data),
    );
  }
});

test('resize leaves the image that it is given as it is, and gives an array of its own', () => {
  const image = testImage(9, 7);
  const before = sha256(image.data);
  const same = resize(image, 9, 7);
  same.data.fill(0);
  resize(image, 4, 4);
  expect(sha256(image.data)).toBe(before);
});

test.each([
  [100, 80, 60, 48, 32, 32],
  [100, 80, 60, 48, 31, 45],
  [100, 80, 100, 48, 32, 32], // no horizontal pass
  [100, 80, 60, 80, 32, 32], // no vertical pass
  [100, 80, 100, 80, 33, 32], // neither
  [20, 10, 61, 31, 40, 24],
  [60, 200, 40, 134, 32, 32], // vertical pass first
  [20, 10, 8, 31, 24, 24], // narrower than the crop
  [20, 10, 12, 6, 9, 17], // smaller than the crop
])('resizeAndCrop of %i × %i to %i × %i is resize, then crop to [%i, %i]', (w, h, nw, nh, ch, cw) => {
  const image = testImage(w, h);
  const expected = centerCrop(resize(image, nw, nh), [ch, cw]);
  const found = resizeAndCrop(image, nw, nh, [ch, cw]);
  expect([found.width, found.height]).toEqual([cw, ch]);
  expect(sha256(found.data)).toBe(sha256(expected.data));
});

test('an image of 20000 × 3 is cropped out of its 1706666 × 256 enlargement without that being made', () => {
  const image = testImage(20000, 3);
  const found = resizeAndCrop(image, 1706666, 256, [224, 224]);
  // The crop shows 224 · 20000 / 1706666 = 2.6 input pixels: a tenth of the image around them is enough.
  const center = { data: new Uint8Array(2000 * 9), width: 2000, height: 3 };
  for (let y = 0; y < 3; y++)
    center.data.set(image.data.subarray((y * 20000 + 9000) * 3).subarray(0, 6000), y * 6000);
  const levels = (data: Uint8Array) => data.reduce((sum, level) => sum + level, 0) / data.length;
  expect(found.data.length).toBe(224 * 224 * 3);
  expect(levels(found.data)).toBeCloseTo(levels(resizeAndCrop(center, 170667, 256, [224, 224]).data), 0);
});

test('sizes below 1 and fractions are refused', () => {
  for (const [width, height] of [
    [0, 4],
    [4, -1],
    [4.5, 4],
    [Number.NaN, 4],
  ] as const) {
    expect(() => resize(testImage(4, 4), width, height)).toThrow(RangeError);
  }
});
