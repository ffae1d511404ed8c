/**
 * Vector arithmetic shared by the kernels. The relaxed build fuses multiply and add; the plain one does both.
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
 * 2^x for x ≤ 127, to 1.7e-7 of the result; below 2^-126 it stays at 2^-126.
 *
 * x = n + r with n whole and |r| ≤ 1/2. Adding 1.5 * 2^23 leaves n in the low bits of the sum, from where it is
 * shifted into the exponent of the minimax polynomial for 2^r.
 */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  const shifter = f32x4.splat(12582912);
  const clamped = f32x4.pmax(x, f32x4.splat(-126));
  const shifted = f32x4.add(clamped, shifter);
  const r = f32x4.sub(clamped, f32x4.sub(shifted, shifter));
  let p = f32x4.splat(0.001326473313383758);
  p = madd(p, r, f32x4.splat(0.009671512991189957));
  p = madd(p, r, f32x4.splat(0.05550733581185341));
  p = madd(p, r, f32x4.splat(0.24022242426872253));
  p = madd(p, r, f32x4.splat(0.6931470036506653));
  p = madd(p, r, f32x4.splat(1));
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/**
 * Exact GELU, x Φ(x), to 1e-7 of max(1, |x|).
 *
 * x Φ(x) = max(x, 0) - a Φ(-a) with a = |x|, and log2 Φ(-a) is smooth: its minimax polynomial on [0, 6] is weighted
 * by a Φ(-a), so that the error is even over x. Past 6, a Φ(-a) is below 6e-9.
 */
// @ts-ignore: decorator
@inline
export function gelu(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), f32x4.splat(6));
  let p = f32x4.splat(-1.9021497337234905e-6);
  p = madd(p, a, f32x4.splat(2.805792973958887e-5));
  p = madd(p, a, f32x4.splat(-0.0001314778783125803));
  p = madd(p, a, f32x4.splat(-0.0002720645279623568));
  p = madd(p, a, f32x4.splat(0.00724540650844574));
  p = madd(p, a, f32x4.splat(-0.052627600729465485));
  p = madd(p, a, f32x4.splat(-0.4591621458530426));
  p = madd(p, a, f32x4.splat(-1.1511110067367554));
  p = madd(p, a, f32x4.splat(-1));
  return f32x4.sub(f32x4.pmax(x, f32x4.splat(0)), f32x4.mul(a, exp2(p)));
}
