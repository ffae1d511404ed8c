/**
 * Vector arithmetic shared by the kernels. The relaxed build fuses multiply and add; the plain one does both.
 *
 * The constants of exponentials and GELU stand in scratch memory, each filling a vector: engines build a constant vector
 * anew with three instructions at every use, and load one with a single instruction.
 */

/** a * b + c */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** The sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

/**
 * √x by a vector's operation. V8 encodes the scalar one as SSE has it, and a processor that has just computed with 256 bits
 * takes 160 ns to go over to that (Sapphire Rapids): ten times as long as the norm of a row.
 */
// @ts-ignore: decorator
@inline
export function squareRoot(x: f32): f32 {
  return f32x4.extract_lane(f32x4.sqrt(f32x4.splat(x)), 0);
}

/** The nearest whole number, ties to even, by a vector's operation: see squareRoot. */
// @ts-ignore: decorator
@inline
export function nearestWhole(x: f32): f32 {
  return f32x4.extract_lane(f32x4.nearest(f32x4.splat(x)), 0);
}

/** Bytes that storeConstants writes. */
export const CONSTANTS_BYTES: usize = 28 * 16;

export function storeConstants(to: usize): void {
  // 2^r on [-1/2, 1/2], its minimax polynomial, from the highest power down
  v128.store(to, f32x4.splat(0.001326473313383758));
  v128.store(to, f32x4.splat(0.009671512991189957), 1 * 16);
  v128.store(to, f32x4.splat(0.05550733581185341), 2 * 16);
  v128.store(to, f32x4.splat(0.24022242426872253), 3 * 16);
  v128.store(to, f32x4.splat(0.6931470036506653), 4 * 16);
  v128.store(to, f32x4.splat(1), 5 * 16);
  v128.store(to, f32x4.splat(-126), 6 * 16);
  v128.store(to, f32x4.splat(12582912), 7 * 16);
  // log2 Φ(-a) on [0, 6], from the highest power down
  v128.store(to, f32x4.splat(-1.9021497337234905e-6), 8 * 16);
  v128.store(to, f32x4.splat(2.805792973958887e-5), 9 * 16);
  v128.store(to, f32x4.splat(-0.0001314778783125803), 10 * 16);
  v128.store(to, f32x4.splat(-0.0002720645279623568), 11 * 16);
  v128.store(to, f32x4.splat(0.00724540650844574), 12 * 16);
  v128.store(to, f32x4.splat(-0.052627600729465485), 13 * 16);
  v128.store(to, f32x4.splat(-0.4591621458530426), 14 * 16);
  v128.store(to, f32x4.splat(-1.1511110067367554), 15 * 16);
  v128.store(to, f32x4.splat(-1), 16 * 16);
  v128.store(to, f32x4.splat(6), 17 * 16);
  v128.store(to, i32x4.splat(0x7fffffff), 18 * 16);
  v128.store(to, f32x4.splat(1.4426950408889634), 19 * 16);
  // Φ(-a) on [0, 4] for coarseGelu, from the highest power down
  v128.store(to, f32x4.splat(-0.0006428347551263869), 20 * 16);
  v128.store(to, f32x4.splat(0.009921114891767502), 21 * 16);
  v128.store(to, f32x4.splat(-0.0575631782412529), 22 * 16);
  v128.store(to, f32x4.splat(0.1399611085653305), 23 * 16);
  v128.store(to, f32x4.splat(-0.04279419779777527), 24 * 16);
  v128.store(to, f32x4.splat(-0.39082807302474976), 25 * 16);
  v128.store(to, f32x4.splat(0.5004937648773193), 26 * 16);
  v128.store(to, f32x4.splat(4), 27 * 16);
}

/**
 * 2^x for x ≤ 127, to 2e-7 of the result; below 2^-126 it stays at 2^-126.
 *
 * x = n + r with n whole and |r| ≤ 1/2. Adding 1.5 * 2^23 leaves n in the low bits of the sum, from where it is
 * shifted into the exponent of 2^r. The polynomials are summed in pairs (Estrin), so that no step waits long.
 */
// @ts-ignore: decorator
@inline
export function exp2(x: v128, constants: usize): v128 {
  const shifter = v128.load(constants, 7 * 16);
  const clamped = f32x4.pmax(x, v128.load(constants, 6 * 16));
  const shifted = f32x4.add(clamped, shifter);
  const r = f32x4.sub(clamped, f32x4.sub(shifted, shifter));
  const r2 = f32x4.mul(r, r);
  const high = madd(v128.load(constants), r, v128.load(constants, 1 * 16));
  const middle = madd(v128.load(constants, 2 * 16), r, v128.load(constants, 3 * 16));
  const low = madd(v128.load(constants, 4 * 16), r, v128.load(constants, 5 * 16));
  const p = madd(madd(high, r2, middle), r2, low);
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** e^x, as exp2. */
// @ts-ignore: decorator
@inline
export function exp(x: v128, constants: usize): v128 {
  return exp2(f32x4.mul(x, v128.load(constants, 19 * 16)), constants);
}

/**
 * Exact GELU, x Φ(x), to 1e-7 of max(1, |x|).
 *
 * x Φ(x) = max(x, 0) - a Φ(-a) with a = |x|, and log2 Φ(-a) is smooth: its minimax polynomial on [0, 6] is weighted
 * by a Φ(-a), so that the error is even over x. Past 6, a Φ(-a) is below 6e-9.
 */
// @ts-ignore: decorator
@inline
export function gelu(x: v128, constants: usize): v128 {
  const a = clampedMagnitude(x, constants);
  return f32x4.sub(f32x4.pmax(x, f32x4.splat(0)), f32x4.mul(a, exp2(logTail(a, constants), constants)));
}

/**
 * GELU to 2.1e-4, for values that become 8-bit codes, whose steps are a hundred times as large: x Φ(x) = max(x, 0) -
 * a Φ(-a) with a = min(|x|, 4), and the minimax polynomial of a Φ(-a).
 */
// @ts-ignore: decorator
@inline
export function coarseGelu(x: v128, constants: usize): v128 {
  const a = f32x4.pmin(v128.and(x, v128.load(constants, 18 * 16)), v128.load(constants, 27 * 16));
  const a2 = f32x4.mul(a, a);
  const p54 = madd(v128.load(constants, 21 * 16), a, v128.load(constants, 22 * 16));
  const p32 = madd(v128.load(constants, 23 * 16), a, v128.load(constants, 24 * 16));
  const p10 = madd(v128.load(constants, 25 * 16), a, v128.load(constants, 26 * 16));
  const high = madd(v128.load(constants, 20 * 16), a2, p54);
  const tail = madd(madd(high, a2, p32), a2, p10);
  return f32x4.sub(f32x4.pmax(x, f32x4.splat(0)), f32x4.mul(a, tail));
}

/** min(|x|, 6), where logTail holds. */
// @ts-ignore: decorator
@inline
export function clampedMagnitude(x: v128, constants: usize): v128 {
  return f32x4.pmin(v128.and(x, v128.load(constants, 18 * 16)), v128.load(constants, 17 * 16));
}

/** log2 Φ(-a) for 0 ≤ a ≤ 6. */
// @ts-ignore: decorator
@inline
export function logTail(a: v128, constants: usize): v128 {
  const a2 = f32x4.mul(a, a);
  const a4 = f32x4.mul(a2, a2);
  const p76 = madd(v128.load(constants, 9 * 16), a, v128.load(constants, 10 * 16));
  const p54 = madd(v128.load(constants, 11 * 16), a, v128.load(constants, 12 * 16));
  const p32 = madd(v128.load(constants, 13 * 16), a, v128.load(constants, 14 * 16));
  const p10 = madd(v128.load(constants, 15 * 16), a, v128.load(constants, 16 * 16));
  const high = madd(madd(v128.load(constants, 8 * 16), a2, p76), a2, p54);
  return madd(high, a4, madd(p32, a2, p10));
}
