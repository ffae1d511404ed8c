import { CONSTANTS_BYTES, clampedMagnitude, exp2, logTail, madd, storeConstants } from './simd';

/** Bytes of scratch memory that `geluGradient` needs: constants, and two vectors for what is left over at the end. */
export function geluGradientScratchBytes(): usize {
  return CONSTANTS_BYTES + 2 * 16;
}

/** log2(e) / 2: e^(-x² / 2) = 2^(-x² · this). */
const HALF_LOG2_E: f32 = 0.7213475204444817;
const INV_SQRT_2PI: f32 = 0.3989422804014327;

/**
 * dx [count] = dy · (Φ(x) + x φ(x)), the gradient of the exact GELU, to 1e-6.
 * @param scratch geluGradientScratchBytes() bytes, at a multiple of 16
 */
export function geluGradient(x: usize, dy: usize, count: i32, dx: usize, scratch: usize): void {
  storeConstants(scratch);
  const vectors = (<usize>count & ~3) << 2;
  let i: usize = 0;
  for (; i < vectors; i += 16) {
    v128.store(dx + i, f32x4.mul(v128.load(dy + i), slope(v128.load(x + i), scratch)));
  }
  const rest = (<usize>count << 2) - vectors;
  if (rest == 0) return;
  const a = scratch + CONSTANTS_BYTES;
  const b = a + 16;
  memory.copy(a, x + i, rest);
  memory.copy(b, dy + i, rest);
  v128.store(a, f32x4.mul(v128.load(b), slope(v128.load(a), scratch)));
  memory.copy(dx + i, a, rest);
}

/** Φ(x) + x φ(x). Φ(-|x|) as in gelu. */
// @ts-ignore: decorator
@inline
function slope(x: v128, constants: usize): v128 {
  const tail = exp2(logTail(clampedMagnitude(x, constants), constants), constants);
  const cdf = v128.bitselect(tail, f32x4.sub(f32x4.splat(1), tail), f32x4.lt(x, f32x4.splat(0)));
  const density = f32x4.mul(
    exp2(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-HALF_LOG2_E)), constants),
    f32x4.splat(INV_SQRT_2PI),
  );
  return madd(x, density, cdf);
}
