/**
 * The micro-kernel under every 8-bit product: 8 columns of weights against all rows of a block, one group of the inner
 * dimension at a time. The weights of a group fill 8 registers; the rows' codes and sums stream past them.
 */
import { GROUP } from './quantizeRows';

/** Bytes of a group of 8 columns of weights. */
export const WEIGHT_GROUP: usize = 128;

/**
 * sums [rows][8] (i32) += codes [groups][rows][GROUP] · weights [groups][GROUP][8 columns]. Exact.
 *
 * @param codeStride bytes from one group of codes to the next
 */
export function addProduct(
  codes: usize, codeStride: usize, rows: i32, groups: i32, weights: usize, sums: usize,
): void {
  const end = sums + (<usize>rows << 5);
  for (let group = 0; group < groups; group++) {
    if (ASC_FEATURE_RELAXED_SIMD) addBytes(codes, weights, sums, end);
    else addWords(codes, weights, sums, end);
    codes += codeStride;
    weights += WEIGHT_GROUP;
  }
}

/**
 * 16 values a row. A vector of weights holds 4 values of each of 4 columns. Two products of a code (at most 127) with
 * weights are added in 16 bits by the instruction, and two of its results after it, before they are widened: the
 * weights are scaled so that such a sum of four always fits (see quantizeMatrix).
 */
// @ts-ignore: decorator
@inline
function addBytes(codes: usize, weights: usize, sums: usize, end: usize): void {
  const l0 = v128.load(weights), r0 = v128.load(weights, 16);
  const l1 = v128.load(weights, 32), r1 = v128.load(weights, 48);
  const l2 = v128.load(weights, 64), r2 = v128.load(weights, 80);
  const l3 = v128.load(weights, 96), r3 = v128.load(weights, 112);
  for (; sums < end; sums += 32, codes += 16) {
    let code = v128.load32_splat(codes);
    let l01 = i16x8.relaxed_dot_i8x16_i7x16_s(l0, code);
    let r01 = i16x8.relaxed_dot_i8x16_i7x16_s(r0, code);
    code = v128.load32_splat(codes, 4);
    l01 = i16x8.add(l01, i16x8.relaxed_dot_i8x16_i7x16_s(l1, code));
    r01 = i16x8.add(r01, i16x8.relaxed_dot_i8x16_i7x16_s(r1, code));
    code = v128.load32_splat(codes, 8);
    let l23 = i16x8.relaxed_dot_i8x16_i7x16_s(l2, code);
    let r23 = i16x8.relaxed_dot_i8x16_i7x16_s(r2, code);
    code = v128.load32_splat(codes, 12);
    l23 = i16x8.add(l23, i16x8.relaxed_dot_i8x16_i7x16_s(l3, code));
    r23 = i16x8.add(r23, i16x8.relaxed_dot_i8x16_i7x16_s(r3, code));
    const l = i32x4.add(i32x4.extadd_pairwise_i16x8_s(l01), i32x4.extadd_pairwise_i16x8_s(l23));
    const r = i32x4.add(i32x4.extadd_pairwise_i16x8_s(r01), i32x4.extadd_pairwise_i16x8_s(r23));
    v128.store(sums, i32x4.add(v128.load(sums), l));
    v128.store(sums, i32x4.add(v128.load(sums, 16), r), 16);
  }
}

/**
 * 8 values a row, in 16 bits. A vector of weights holds 2 values of each of 4 columns. Two rows at a turn: 8 % faster,
 * where bytes gain nothing by it.
 */
// @ts-ignore: decorator
@inline
export function addWords(codes: usize, weights: usize, sums: usize, end: usize): void {
  const l0 = v128.load(weights), r0 = v128.load(weights, 16);
  const l1 = v128.load(weights, 32), r1 = v128.load(weights, 48);
  const l2 = v128.load(weights, 64), r2 = v128.load(weights, 80);
  const l3 = v128.load(weights, 96), r3 = v128.load(weights, 112);
  for (const evenEnd = end - ((end - sums) & 32); sums < evenEnd; sums += 64, codes += 32) {
    addRowOfWords(codes, sums, l0, r0, l1, r1, l2, r2, l3, r3);
    addRowOfWords(codes + 16, sums + 32, l0, r0, l1, r1, l2, r2, l3, r3);
  }
  if (sums < end) addRowOfWords(codes, sums, l0, r0, l1, r1, l2, r2, l3, r3);
}

// @ts-ignore: decorator
@inline
function addRowOfWords(
  codes: usize, sums: usize, l0: v128, r0: v128, l1: v128, r1: v128, l2: v128, r2: v128, l3: v128, r3: v128,
): void {
  let code = v128.load32_splat(codes);
  let l = i32x4.add(v128.load(sums), i32x4.dot_i16x8_s(l0, code));
  let r = i32x4.add(v128.load(sums, 16), i32x4.dot_i16x8_s(r0, code));
  code = v128.load32_splat(codes, 4);
  l = i32x4.add(l, i32x4.dot_i16x8_s(l1, code));
  r = i32x4.add(r, i32x4.dot_i16x8_s(r1, code));
  code = v128.load32_splat(codes, 8);
  l = i32x4.add(l, i32x4.dot_i16x8_s(l2, code));
  r = i32x4.add(r, i32x4.dot_i16x8_s(r2, code));
  code = v128.load32_splat(codes, 12);
  v128.store(sums, i32x4.add(l, i32x4.dot_i16x8_s(l3, code)));
  v128.store(sums, i32x4.add(r, i32x4.dot_i16x8_s(r3, code)), 16);
}

/** Where the weight of value `k` and `column` (0…7) stands, in bytes from the first group of its panel. */
export function weightOffset(k: i32, column: i32): usize {
  const group = <usize>(k / GROUP) * WEIGHT_GROUP;
  const inner = k % GROUP;
  const unit = ASC_FEATURE_RELAXED_SIMD ? 4 : 2;
  const vector = (inner / unit) * 2 + (column >> 2);
  const lane = (column & 3) * unit + (inner % unit);
  return group + (<usize>vector << 4) + (<usize>lane << (ASC_FEATURE_RELAXED_SIMD ? 0 : 1));
}
