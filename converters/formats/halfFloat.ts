/**
 * IEEE 754 half precision and bfloat16, as bit patterns. Rounding is to nearest, ties to even, as in NumPy and PyTorch;
 * NaN stays NaN, values beyond the range become infinite, subnormals are kept.
 */

/** Values of all 65,536 half-precision patterns; made on first use (256 kB). */
let halfValues: Float32Array | undefined;

/** float16 bit patterns → float32. Exact. */
export function float16BitsToFloat32(bits: Uint16Array): Float32Array {
  halfValues ??= makeHalfValues();
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = halfValues[bits[i]!]!;
  return values;
}

/** bfloat16 bit patterns → float32. Exact. */
export function bfloat16BitsToFloat32(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}

/** float32 → float16 bit patterns, rounded to nearest even. */
export function float32ToFloat16Bits(values: Float32Array): Uint16Array {
  const wide = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = halfBits(wide[i]!);
  return bits;
}

/** float32 → bfloat16 bit patterns, rounded to nearest even. */
export function float32ToBfloat16Bits(values: Float32Array): Uint16Array {
  const wide = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const pattern = wide[i]!;
    const isNotANumber = (pattern & 0x7fffffff) > 0x7f800000;
    // Half of the last kept place, less one when that place is even, carries exactly when it should.
    bits[i] = isNotANumber ? (pattern >>> 16) | 0x40 : (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16;
  }
  return bits;
}

function halfBits(pattern: number): number {
  const sign = (pattern >>> 16) & 0x8000;
  const magnitude = pattern & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - 0x38000000, 13);
  // Below 2^-25 nothing is left; 2^-25 itself is a tie and goes to even, which is zero.
  if (magnitude <= 0x33000000) return sign;
  const exponent = magnitude >>> 23;
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

/** bits / 2^shift, to nearest even. */
function roundShift(bits: number, shift: number): number {
  const kept = bits >>> shift;
  const rest = bits & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

function makeHalfValues(): Float32Array {
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) values[bits] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else if (exponent === 0) values[bits] = sign * fraction * 2 ** -24;
    else values[bits] = sign * (1024 + fraction) * 2 ** (exponent - 25);
  }
  return values;
}
