import { expect, test } from '@jest/globals';
import { concatBytes, concatFloats } from '../src/concat.js';

test('parts follow one another', () => {
  const [a, b, c] = [Float32Array.of(1, 2), Float32Array.of(3), Float32Array.of(4, 5, 6)];
  expect(concatFloats([a, b, c])).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  expect(concatBytes([Uint8Array.of(7), new Uint8Array(), Uint8Array.of(8, 9)])).toEqual(
    Uint8Array.of(7, 8, 9),
  );
  expect(concatBytes([])).toHaveLength(0);
});

test('one part is not copied', () => {
  const one = Float32Array.of(1, 2);
  expect(concatFloats([one])).toBe(one);
});
