/**
 * Products of 16-bit codes with fewer multiplications: both matrices are cut in halves both ways, and of the eight
 * products of quarters seven are computed, of sums and differences of quarters (Strassen's method in Winograd's form).
 * In whole numbers that is exact. It pays where multiplications bind, in the plain build: an eighth of them is saved for
 * some hundredth more additions. The relaxed build multiplies bytes, which such sums would not fit.
 *
 *     S1 = A21 + A22   S2 = S1 - A11    S3 = A11 - A21   S4 = A12 - S2
 *     T1 = B12 - B11   T2 = B22 - T1    T3 = B22 - B12   T4 = T2 - B21
 *     U2 = A11 B11 + S2 T2              U3 = U2 + S3 T3
 *     C11 = A11 B11 + A12 B21           C12 = U2 + S4 B22 + S1 T1
 *     C21 = U3 - A22 T4                 C22 = U3 + S1 T1
 *
 * A has the rows' codes, B the weights of 8 columns of each half. Sums that pass 32 bits on the way come back: additions
 * wrap, and the results fit.
 */
import { addProduct, WEIGHT_GROUP, weightOffset } from './integerProduct';
import { groupsOf } from './quantizeRows';

/** Whether a product is computed so; its rows must be even in number. */
// @ts-ignore: decorator
@inline
export function usesStrassen(k: i32, n: i32): bool {
  return !ASC_FEATURE_RELAXED_SIMD && k % 16 == 0 && n % 16 == 0;
}

/** Bytes of S1 to S4, which stand behind the codes [groups][rows] that they are made of. */
export function strassenBytes(rows: i32, k: i32): usize {
  return <usize>groupsOf(k) * <usize>rows * 16;
}

/** Bytes of the weights of a panel of each half. */
export function strassenWeightBytes(k: i32): usize {
  return 7 * (<usize>groupsOf(k) >> 1) * WEIGHT_GROUP;
}

/**
 * Puts the weights of value i and column c of the four quarters to their places: those of B11, T2, T3, -T4, B21, B22 and
 * T1, in the order in which they are used.
 */
export function packStrassen(b11: i32, b12: i32, b21: i32, b22: i32, i: i32, c: i32, k: i32, weights: usize): void {
  const step = (<usize>groupsOf(k) >> 1) * WEIGHT_GROUP;
  const to = weights + weightOffset(i, c);
  const t1 = b12 - b11;
  const t2 = b22 - t1;
  store<i16>(to, <i16>b11);
  store<i16>(to + step, <i16>t2);
  store<i16>(to + 2 * step, <i16>(b22 - b12));
  store<i16>(to + 3 * step, <i16>(b21 - t2));
  store<i16>(to + 4 * step, <i16>b21);
  store<i16>(to + 5 * step, <i16>b22);
  store<i16>(to + 6 * step, <i16>t1);
}

/** S1 to S4 of groups `first` to `end` of half of the codes [groups][rows]. */
export function combineStrassen(codes: usize, rows: i32, k: i32, first: i32, end: i32): void {
  const stride = <usize>rows << 4;
  const half = stride >> 1;
  const groups = <usize>groupsOf(k);
  const size = (groups >> 1) * half;
  let a1 = codes + <usize>first * stride;
  let a2 = a1 + (groups >> 1) * stride;
  let s = codes + groups * stride + <usize>first * half;
  for (let group = first; group < end; group++) {
    for (const last = a1 + half; a1 < last; a1 += 16) {
      const a11 = v128.load(a1);
      const a21 = v128.load(a1 + half);
      const s1 = i16x8.add(a21, v128.load(a2 + half));
      const s2 = i16x8.sub(s1, a11);
      v128.store(s, s1);
      v128.store(s + size, s2);
      v128.store(s + 2 * size, i16x8.sub(a11, a21));
      v128.store(s + 3 * size, i16x8.sub(v128.load(a2), s2));
      a2 += 16;
      s += 16;
    }
    a1 += half;
    a2 += half;
  }
}

/**
 * @param codes [groups][rows], and S1 to S4 behind them
 * @param weights what packStrassen made
 * @param sums i32 [rows][8] of the panel of the left half, then of that of the right half, then [rows / 2][8] to work with
 */
export function multiplyStrassen(codes: usize, rows: i32, k: i32, weights: usize, sums: usize): void {
  const half = rows >> 1;
  const groups = groupsOf(k) >> 1;
  const stride = <usize>rows << 4;
  const halfStride = stride >> 1;
  const size = <usize>groups * halfStride;
  const step = <usize>groups * WEIGHT_GROUP;
  const a11 = codes;
  const a12 = codes + <usize>groups * stride;
  const s1 = a12 + <usize>groups * stride;
  const bytes = <usize>half << 5;
  const c11 = sums;
  const c21 = c11 + bytes;
  const c12 = c21 + bytes;
  const c22 = c12 + bytes;
  const product = c22 + bytes;
  memory.fill(c11, 0, bytes);
  addProduct(a11, stride, half, groups, weights, c11);
  memory.copy(c12, c11, bytes);
  addProduct(s1 + size, halfStride, half, groups, weights + step, c12);
  memory.copy(c22, c12, bytes);
  addProduct(s1 + 2 * size, halfStride, half, groups, weights + 2 * step, c22);
  memory.copy(c21, c22, bytes);
  addProduct(a12 + halfStride, stride, half, groups, weights + 3 * step, c21);
  addProduct(a12, stride, half, groups, weights + 4 * step, c11);
  addProduct(s1 + 3 * size, halfStride, half, groups, weights + 5 * step, c12);
  memory.fill(product, 0, bytes);
  addProduct(s1, halfStride, half, groups, weights + 6 * step, product);
  for (let at: usize = 0; at < bytes; at += 16) {
    const p = v128.load(product + at);
    v128.store(c12 + at, i32x4.add(v128.load(c12 + at), p));
    v128.store(c22 + at, i32x4.add(v128.load(c22 + at), p));
  }
}
