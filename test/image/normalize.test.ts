import { expect, test } from '@jest/globals';
import { normalize } from '../../src/image/normalize.js';
import { preprocessingFor } from '../../src/image/presets.js';
import { reference, sha256 } from './images.js';

const { mean, std } = preprocessingFor('deit', [224, 224]);
const levels = { data: Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3)), width: 256, height: 1 };

test('all 256 levels of each channel have the bits of PyTorch', () => {
  expect(sha256(normalize(levels, mean, std))).toBe(reference.normalizedLevels);
});

test('numbers are written to the array that is given, which must be as long as the image', () => {
  const out = new Float32Array(768);
  expect(normalize(levels, mean, std, out)).toBe(out);
  expect(sha256(out)).toBe(reference.normalizedLevels);
  expect(() => normalize(levels, mean, std, new Float32Array(767))).toThrow(/767.*768/);
});

test('a rescale factor of 1/255, by which Hugging Face multiplies, gives the bits of the division', () => {
  expect(sha256(normalize(levels, mean, std, undefined, 0.00392156862745098))).toBe(
    reference.normalizedLevels,
  );
  expect([...normalize(levels, [0, 0, 0], [1, 1, 1], undefined, 1)]).toEqual([...levels.data]);
});
