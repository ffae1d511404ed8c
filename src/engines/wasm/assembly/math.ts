/**
 * Functions of vectors. Each constant is one float, spread over a vector as it is loaded: that is one instruction, and
 * two vectors side by side share it, which lets V8 make one 256-bit operation of the two.
 */
import { madd } from '../../../kernels/wasm/assembly/simd';

const CONSTANTS: usize = memory.data<f32>([
  // 2^r on [-1/2, 1/2], its minimax polynomial, from the highest power down
  0.001326473313383758, 0.009671512991189957, 0.05550733581185341, 0.24022242426872253, 0.6931470036506653, 1,
  // Least and largest exponent, and what leaves the nearest whole number in the low bits of a sum
  -126, 126, 12582912,
  // log2 Φ(-a) on [0, 6], from the highest power down
  -1.9021497337234905e-6, 2.805792973958887e-5, -0.0001314778783125803, -0.0002720645279623568, 0.00724540650844574,
  -0.052627600729465485, -0.4591621458530426, -1.1511110067367554, -1, 6,
  // -log2 e, -1.702 log2 e, -2 √(2/π) log2 e, -2 √(2/π) log2 e · 0.044715, 2 log2 e
  -1.4426950408889634, -2.4554669595930156, -2.302208198144325, -0.1029432395800235, 2.8853900817779268,
  // Φ(-a) on [0, 4] for coarseGelu, from the highest power down
  -0.0006428347551263869, 0.009921114891767502, -0.0575631782412529, 0.1399611085653305, -0.04279419779777527,
  -0.39082807302474976, 0.5004937648773193, 4,
]);

/** Constant number `i`. */
// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return v128.load32_splat(CONSTANTS + (i << 2));
}

/** 2^x for x ≤ 126, to 2e-7 of the result; below 2^-126 it stays at 2^-126. See simd.ts of the kernels. */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  const shifter = constant(8);
  const clamped = f32x4.pmax(x, constant(6));
  const shifted = f32x4.add(clamped, shifter);
  const r = f32x4.sub(clamped, f32x4.sub(shifted, shifter));
  const r2 = f32x4.mul(r, r);
  const high = madd(constant(0), r, constant(1));
  const middle = madd(constant(2), r, constant(3));
  const low = madd(constant(4), r, constant(5));
  const p = madd(madd(high, r2, middle), r2, low);
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** Exact GELU, x Φ(x), to 1e-7 of max(1, |x|): max(x, 0) - a Φ(-a) with a = |x|. See simd.ts of the kernels. */
// @ts-ignore: decorator
@inline
export function gelu(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), constant(18));
  const a2 = f32x4.mul(a, a);
  const a4 = f32x4.mul(a2, a2);
  const p76 = madd(constant(10), a, constant(11));
  const p54 = madd(constant(12), a, constant(13));
  const p32 = madd(constant(14), a, constant(15));
  const p10 = madd(constant(16), a, constant(17));
  const high = madd(madd(constant(9), a2, p76), a2, p54);
  const tail = exp2(madd(high, a4, madd(p32, a2, p10)));
  return f32x4.sub(f32x4.pmax(x, f32x4.splat(0)), f32x4.mul(a, tail));
}

/** GELU to 2.1e-4, for values that become 8-bit codes. See simd.ts of the kernels. */
// @ts-ignore: decorator
@inline
export function coarseGelu(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), constant(31));
  const a2 = f32x4.mul(a, a);
  const p54 = madd(constant(25), a, constant(26));
  const p32 = madd(constant(27), a, constant(28));
  const p10 = madd(constant(29), a, constant(30));
  const tail = madd(madd(madd(constant(24), a2, p54), a2, p32), a2, p10);
  return f32x4.sub(f32x4.pmax(x, f32x4.splat(0)), f32x4.mul(a, tail));
}

/** x / (1 + 2^exponent) */
// @ts-ignore: decorator
@inline
function gated(x: v128, exponent: v128): v128 {
  const power = exp2(f32x4.pmin(exponent, constant(7)));
  return f32x4.div(x, f32x4.add(power, constant(5)));
}

/** x sigmoid(x) */
// @ts-ignore: decorator
@inline
export function silu(x: v128): v128 {
  return gated(x, f32x4.mul(x, constant(19)));
}

/** x sigmoid(1.702 x) */
// @ts-ignore: decorator
@inline
export function quickGelu(x: v128): v128 {
  return gated(x, f32x4.mul(x, constant(20)));
}

/** GELU with Φ by tanh: x sigmoid(2 √(2/π) (x + 0.044715 x³)) */
// @ts-ignore: decorator
@inline
export function geluTanh(x: v128): v128 {
  return gated(x, f32x4.mul(x, madd(f32x4.mul(x, x), constant(22), constant(21))));
}

/** 1 - 2 / (1 + e^2x) */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const power = exp2(f32x4.pmin(f32x4.mul(x, constant(23)), constant(7)));
  const one = constant(5);
  return f32x4.sub(one, f32x4.div(f32x4.add(one, one), f32x4.add(power, one)));
}
