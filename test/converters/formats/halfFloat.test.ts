import { expect, test } from '@jest/globals';
import {
  bfloat16BitsToFloat32,
  float16BitsToFloat32,
  float32ToBfloat16Bits,
  float32ToFloat16Bits,
} from '../../../converters/formats/halfFloat.js';
import { halfPatterns } from './fixtures.js';

const patterns = halfPatterns();
const values = new Float32Array(Uint32Array.from(patterns.float32).buffer);

/** NaN patterns differ by platform; a NaN need only stay one. */
function withoutNaNs(bits: ArrayLike<number>): number[] {
  return Array.from(bits, (pattern, i) => (Number.isNaN(values[i]) ? -1 : pattern));
}

test('float32 rounds to float16 as NumPy rounds: ties to even, subnormals, overflow', () => {
  expect(withoutNaNs(float32ToFloat16Bits(values))).toEqual(withoutNaNs(patterns.float16));
});

test('float32 rounds to bfloat16 as PyTorch rounds', () => {
  expect(withoutNaNs(float32ToBfloat16Bits(values))).toEqual(withoutNaNs(patterns.bfloat16));
});

test('NaN stays NaN, with its payload all in the low bits too', () => {
  const nan = new Float32Array(Uint32Array.of(0x7f800001, 0xffc00000).buffer);
  expect([...float16BitsToFloat32(float32ToFloat16Bits(nan))]).toEqual([Number.NaN, Number.NaN]);
  expect([...bfloat16BitsToFloat32(float32ToBfloat16Bits(nan))]).toEqual([Number.NaN, Number.NaN]);
});

test('every 16-bit pattern comes back from float32 as it was', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const halfNumbers = all.filter((bits) => (bits & 0x7fff) <= 0x7c00);
  expect(float32ToFloat16Bits(float16BitsToFloat32(halfNumbers))).toEqual(halfNumbers);
  const brainNumbers = all.filter((bits) => (bits & 0x7fff) <= 0x7f80);
  expect(float32ToBfloat16Bits(bfloat16BitsToFloat32(brainNumbers))).toEqual(brainNumbers);
});

test('some float16 values by hand', () => {
  const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x8000, 0x7c00);
  expect([...float16BitsToFloat32(bits)]).toEqual([
    1,
    -2,
    65504,
    2 ** -24,
    2 ** -14,
    -0,
    Number.POSITIVE_INFINITY,
  ]);
});
