/** The 8-bit floating point types of PyTorch (arXiv 2209.05433; the `fnuz` forms: arXiv 2206.02915; e8m0: OCP MX). */
export type Float8 =
  | 'float8_e4m3fn'
  | 'float8_e4m3fnuz'
  | 'float8_e5m2'
  | 'float8_e5m2fnuz'
  | 'float8_e8m0fnu';

interface Layout {
  readonly fractionBits: number;
  readonly bias: number;
  /** Whether pattern 0x80 is the only NaN, and no zero is negative. */
  readonly isUnsignedZero: boolean;
  /** Magnitudes above this one are NaN. */
  readonly largest: number;
  /** The magnitude that is infinite, if any is. */
  readonly infinite?: number;
}

const LAYOUTS: Readonly<Record<Exclude<Float8, 'float8_e8m0fnu'>, Layout>> = {
  float8_e4m3fn: { fractionBits: 3, bias: 7, isUnsignedZero: false, largest: 0x7e },
  float8_e4m3fnuz: { fractionBits: 3, bias: 8, isUnsignedZero: true, largest: 0x7f },
  float8_e5m2: { fractionBits: 2, bias: 15, isUnsignedZero: false, largest: 0x7c, infinite: 0x7c },
  float8_e5m2fnuz: { fractionBits: 2, bias: 16, isUnsignedZero: true, largest: 0x7f },
};

/** float8 bit patterns → float32. Exact. */
export function float8BitsToFloat32(bits: Uint8Array, dtype: Float8): Float32Array {
  const table = Float32Array.from({ length: 256 }, (_, pattern) => float8Value(pattern, dtype));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]!]!;
  return values;
}

function float8Value(pattern: number, dtype: Float8): number {
  if (dtype === 'float8_e8m0fnu') return pattern === 255 ? Number.NaN : 2 ** (pattern - 127);
  const { fractionBits, bias, isUnsignedZero, largest, infinite } = LAYOUTS[dtype];
  const sign = pattern & 0x80 ? -1 : 1;
  const magnitude = pattern & 0x7f;
  if ((isUnsignedZero && pattern === 0x80) || magnitude > largest) return Number.NaN;
  if (magnitude === infinite) return sign * Number.POSITIVE_INFINITY;
  const exponent = magnitude >> fractionBits;
  const fraction = magnitude & ((1 << fractionBits) - 1);
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits);
  return sign * ((1 << fractionBits) + fraction) * 2 ** (exponent - bias - fractionBits);
}
