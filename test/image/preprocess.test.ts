import { expect, test } from '@jest/globals';
import { preprocess, resizedSize } from '../../src/image/preprocess.js';
import { preprocessingFor } from '../../src/image/presets.js';
import { reference, sha256, testImage } from './images.js';

test.each(reference.presets)('$preset at $imgSize of an image of $from has the bits of torchvision', ({
  preset,
  imgSize,
  from,
  sha256: bytes,
}) => {
  const data = preprocess(testImage(...from), preprocessingFor(preset, imgSize));
  expect(data.length).toBe(imgSize[0] * imgSize[1] * 3);
  expect(sha256(data)).toBe(bytes);
});

test('the long side is truncated, not rounded', () => {
  expect(resizedSize(500, 333, { mode: 'short', size: 256 })).toEqual([384, 256]); // 384.38
  expect(resizedSize(500, 375, { mode: 'short', size: 256 })).toEqual([341, 256]); // 341.33
  expect(resizedSize(375, 499, { mode: 'short', size: 256 })).toEqual([256, 340]); // 340.65
  expect(resizedSize(10, 99, { mode: 'squash', height: 7, width: 5 })).toEqual([5, 7]);
});

test.each([
  [
    { mean: [123, 116, 103] },
    'preprocess: preprocessing.mean is [123,116,103]; expected it on levels scaled to 0…1',
  ],
  [{ interpolation: 'cubic' }, 'preprocess: preprocessing.interpolation is "cubic"; expected one of nearest'],
  [{ resize: { mode: 'shorter', size: 32 } }, 'preprocess: preprocessing.resize is'],
  [{ size: 32 }, 'preprocess: preprocessing."size" is not known'],
])('preprocessing of one’s own with %j is refused', (change, message) => {
  const preprocessing = { ...preprocessingFor('deit', [28, 28]), ...change } as never;
  expect(() => preprocess(testImage(40, 30), preprocessing)).toThrow(message);
});
