/**
 * softmax(q kᵀ / √d) v in whole numbers of 13 bits, one head at a time, 8 queries at a time, as attention.ts does it. The
 * products are those of the plain integer kernel in both builds; softmax has no fused operations, so that every machine
 * gives the same bits.
 */
import { addWords, WEIGHT_GROUP } from './integerProduct';
import { unpackTransposed } from './pack';
import { aligned } from './scratch';

/** Values in a group of addWords. */
const WORDS: i32 = 8;
/** The largest probability's code is 2^13, the others follow. */
const PROBABILITY_BITS: f32 = 13;
/** Largest code of q, k and v, where the sums leave room for it. */
const LARGEST_CODE: f32 = 4095;
const LARGEST_I32: f32 = 2147483392;
/** Constants, each filling a vector, as simd.ts has them. */
const CONSTANTS_BYTES: usize = 8 * 16;

/** Whether heads of this size can be attended so. */
export function attendsQuantized(d: i32): bool {
  return d % WORDS == 0;
}

function storeConstants(to: usize): void {
  // Added to a float below 2^22, it leaves the nearest whole number in the low bits; and its own bits.
  v128.store(to, f32x4.splat(12582912));
  v128.store(to, i32x4.splat(0x4b400000), 1 * 16);
  // 2^r on [-1/2, 1/2], its minimax polynomial, from the highest power down
  v128.store(to, f32x4.splat(0.009570101276040077), 2 * 16);
  v128.store(to, f32x4.splat(0.05591785907745361), 3 * 16);
  v128.store(to, f32x4.splat(0.240247443318367), 4 * 16);
  v128.store(to, f32x4.splat(0.6931217908859253), 5 * 16);
  v128.store(to, f32x4.splat(0.9999992847442627), 6 * 16);
  v128.store(to, f32x4.splat(-2), 7 * 16);
}

function groupsOf(values: i32): usize {
  return <usize>((values + WORDS - 1) / WORDS);
}

/** Bytes of scratch memory that `attendQuantized` needs. */
export function quantizedAttentionScratchBytes(t: i32, d: i32): usize {
  const keys = groupsOf(d) * <usize>t * 16;
  const values = groupsOf(t) * <usize>d * 16;
  const queries = groupsOf(d) * WEIGHT_GROUP * 2;
  const scores = groupsOf(t) * (8 * 32 + WEIGHT_GROUP);
  return CONSTANTS_BYTES + keys + values + queries + scores + ((<usize>t + <usize>d * 9) << 2) + 8 * 64;
}

/**
 * Queries `first` to `end` of one head; the arguments are those of attendHead.
 *
 * @param scratch quantizedAttentionScratchBytes(t, d) bytes
 */
export function attendQuantized(
  qkv: usize, width: usize, t: i32, d: i32, first: i32, end: i32, y: usize, scratch: usize,
): void {
  const constants = aligned(scratch);
  storeConstants(constants);
  const stride: usize = 3 * width;
  const keys = aligned(constants + CONSTANTS_BYTES);
  const values = aligned(keys + groupsOf(d) * <usize>t * 16);
  const queries = aligned(values + groupsOf(t) * <usize>d * 16);
  const rows = queries + groupsOf(d) * WEIGHT_GROUP;
  const scores = aligned(rows + groupsOf(d) * WEIGHT_GROUP);
  const probabilities = scores + groupsOf(t) * 8 * 32;
  const keyScales = probabilities + groupsOf(t) * WEIGHT_GROUP;
  const valueScales = aligned(keyScales + (<usize>t << 2));
  const outputs = aligned(valueScales + (<usize>d << 2));
  const queryScales = outputs + (<usize>d << 5);
  const factors = queryScales + 32;

  const most = min(LARGEST_CODE, floor<f32>(sqrt<f32>(LARGEST_I32 / <f32>d)));
  // NaN if a key is, and added to all outputs: whole numbers have none.
  let poison: f32 = 0;
  for (let key = 0; key < t; key++) {
    const scale = quantizeRow(qkv + width + stride * <usize>key, d, most, keys + (<usize>key << 4), <usize>t << 4, constants);
    store<f32>(keyScales + (<usize>key << 2), scale);
    poison += scale * 0;
  }
  quantizeValues(qkv + 2 * width, stride, t, d, values, valueScales, constants);

  // e^x = 2^(x · log2 e)
  const base: f32 = <f32>1.4426950408889634 / sqrt<f32>(<f32>d);
  const queryBytes = <usize>d << 1;
  for (let query = first; query < end; query += 8) {
    const valid = min(8, end - query);
    for (let i = 0; i < 8; i++) {
      const row = qkv + stride * <usize>(query + min(i, valid - 1));
      store<f32>(queryScales + (<usize>i << 2), base * quantizeRow(row, d, most, rows + queryBytes * <usize>i, 16, constants));
    }
    packQueries(rows, queryBytes, d, queries);
    multiplyWords(keys, t, groupsOf(d), queries, scores);
    softmax(scores, t, keyScales, queryScales, probabilities, factors, poison, constants);
    multiplyWords(values, d, groupsOf(t), probabilities, outputs);
    for (let dim = 0; dim < d; dim++) {
      const at = outputs + (<usize>dim << 5);
      const scale = v128.load32_splat(valueScales + (<usize>dim << 2));
      v128.store(at, f32x4.mul(f32x4.convert_i32x4_s(v128.load(at)), scale));
      v128.store(at, f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 16)), scale), 16);
    }
    unpackTransposed(outputs, factors, d, y + width * <usize>query, width, valid);
  }
}

/** sums [rows][8] = codes [groups][rows][8] · weights [groups][8][8 columns], 16-bit numbers. */
function multiplyWords(codes: usize, rows: i32, groups: usize, weights: usize, sums: usize): void {
  const end = sums + (<usize>rows << 5);
  memory.fill(sums, 0, end - sums);
  for (const last = weights + groups * WEIGHT_GROUP; weights < last; weights += WEIGHT_GROUP) {
    addWords(codes, weights, sums, end);
    codes += <usize>rows << 4;
  }
}

/** Four codes as 32-bit numbers. */
// @ts-ignore: decorator
@inline
function round(x: v128, factors: v128, constants: usize): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, factors), v128.load(constants)), v128.load(constants, 1 * 16));
}

/** A row of d values as codes up to ±most, 8 of them every `stride` bytes; gives the scale. */
// @ts-ignore: decorator
@inline
function quantizeRow(x: usize, d: i32, most: f32, to: usize, stride: usize, constants: usize): f32 {
  let four = f32x4.splat(0);
  const end = x + (<usize>d << 2);
  for (let at = x; at < end; at += 16) four = f32x4.pmax(four, f32x4.abs(v128.load(at)));
  const pair = max(f32x4.extract_lane(four, 0), f32x4.extract_lane(four, 1));
  const largest = max(pair, max(f32x4.extract_lane(four, 2), f32x4.extract_lane(four, 3)));
  const factor = f32x4.splat(largest > 0 ? most / largest : 0);
  for (let at = x; at < end; at += 32) {
    const low = round(v128.load(at), factor, constants);
    v128.store(to, i16x8.narrow_i32x4_s(low, round(v128.load(at, 16), factor, constants)));
    to += stride;
  }
  // A row that is NaN is so as a whole: its token's scale was.
  const first = load<f32>(x);
  return first == first ? largest / most : first;
}

/** v, rows `stride` bytes apart, to [groups of 8 tokens][d][8 tokens], each dimension with a scale. */
function quantizeValues(v: usize, stride: usize, t: i32, d: i32, to: usize, scales: usize, constants: usize): void {
  const most = max(<f32>1, min(LARGEST_CODE, floor<f32>(LARGEST_I32 / (<f32>t * 8192))));
  for (let dim: usize = 0; dim < <usize>d << 2; dim += 16) {
    let four = f32x4.splat(0);
    for (let token = 0; token < t; token++) four = f32x4.pmax(four, f32x4.abs(v128.load(v + stride * <usize>token + dim)));
    v128.store(scales + dim, f32x4.div(four, f32x4.splat(most)));
    const none = f32x4.eq(four, f32x4.splat(0));
    const factors = v128.andnot(f32x4.div(f32x4.splat(most), four), none);
    let at = to + (dim << 2);
    for (let token = 0; token < t; token += WORDS) {
      const from = v + stride * <usize>token + dim;
      const left = t - token;
      storeHalf(from, stride, left, factors, at, constants);
      storeHalf(from + 4 * stride, stride, left - 4, factors, at + 8, constants);
      at += <usize>d << 4;
    }
  }
}

/** 4 tokens of 4 dimensions as codes, half of a group; tokens past `left` are 0. */
// @ts-ignore: decorator
@inline
function storeHalf(from: usize, stride: usize, left: i32, factors: v128, at: usize, constants: usize): void {
  const zero = i32x4.splat(0);
  const v0 = left > 0 ? round(v128.load(from), factors, constants) : zero;
  const v1 = left > 1 ? round(v128.load(from + stride), factors, constants) : zero;
  const v2 = left > 2 ? round(v128.load(from + 2 * stride), factors, constants) : zero;
  const v3 = left > 3 ? round(v128.load(from + 3 * stride), factors, constants) : zero;
  const low01 = v128.shuffle<i32>(v0, v1, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(v0, v1, 2, 6, 3, 7);
  const low23 = v128.shuffle<i32>(v2, v3, 0, 4, 1, 5);
  const high23 = v128.shuffle<i32>(v2, v3, 2, 6, 3, 7);
  const d01 = i16x8.narrow_i32x4_s(v128.shuffle<i64>(low01, low23, 0, 2), v128.shuffle<i64>(low01, low23, 1, 3));
  const d23 = i16x8.narrow_i32x4_s(v128.shuffle<i64>(high01, high23, 0, 2), v128.shuffle<i64>(high01, high23, 1, 3));
  v128.store64_lane(at, d01, 0);
  v128.store64_lane(at, d01, 1, 16);
  v128.store64_lane(at, d23, 0, 32);
  v128.store64_lane(at, d23, 1, 48);
}

/** 8 rows of codes, `bytes` apart, as weights: pairs of dimensions of 4 queries in a vector. */
function packQueries(rows: usize, bytes: usize, d: i32, to: usize): void {
  for (let dim: usize = 0; dim < <usize>d << 1; dim += 16) {
    for (let half: usize = 0; half < 2; half++) {
      const from = rows + dim + 4 * half * bytes;
      const v0 = v128.load(from);
      const v1 = v128.load(from + bytes);
      const v2 = v128.load(from + 2 * bytes);
      const v3 = v128.load(from + 3 * bytes);
      const low01 = v128.shuffle<i32>(v0, v1, 0, 4, 1, 5);
      const high01 = v128.shuffle<i32>(v0, v1, 2, 6, 3, 7);
      const low23 = v128.shuffle<i32>(v2, v3, 0, 4, 1, 5);
      const high23 = v128.shuffle<i32>(v2, v3, 2, 6, 3, 7);
      const at = to + 16 * half;
      v128.store(at, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(at, v128.shuffle<i64>(low01, low23, 1, 3), 32);
      v128.store(at, v128.shuffle<i64>(high01, high23, 0, 2), 64);
      v128.store(at, v128.shuffle<i64>(high01, high23, 1, 3), 96);
    }
    to += WEIGHT_GROUP;
  }
}

/**
 * Sums of products [t][8] to codes of 2^(score - largest of the column), packed as weights, and what outputs are to be
 * multiplied with: the reciprocals of the columns' sums.
 */
function softmax(
  scores: usize, t: i32, keyScales: usize, queryScales: usize, probabilities: usize, factors: usize, poison: f32,
  constants: usize,
): void {
  const scaleLeft = v128.load(queryScales);
  const scaleRight = v128.load(queryScales, 16);
  let mostLeft = f32x4.splat(-Infinity);
  let mostRight = mostLeft;
  const end = scores + (<usize>t << 5);
  for (let row = scores; row < end; row += 32) {
    const scale = v128.load32_splat(keyScales);
    const l = f32x4.mul(f32x4.convert_i32x4_s(v128.load(row)), f32x4.mul(scale, scaleLeft));
    const r = f32x4.mul(f32x4.convert_i32x4_s(v128.load(row, 16)), f32x4.mul(scale, scaleRight));
    v128.store(row, l);
    v128.store(row, r, 16);
    mostLeft = f32x4.pmax(mostLeft, l);
    mostRight = f32x4.pmax(mostRight, r);
    keyScales += 4;
  }
  // Rows that fill the last group up have no probability.
  for (let row = end; row < scores + groupsOf(t) * 8 * 32; row += 16) v128.store(row, f32x4.splat(-1e30));
  const shiftLeft = f32x4.sub(f32x4.splat(PROBABILITY_BITS), mostLeft);
  const shiftRight = f32x4.sub(f32x4.splat(PROBABILITY_BITS), mostRight);
  let left = i32x4.splat(0);
  let right = left;
  for (let row = scores; row < end; row += 64) {
    const l0 = power2(f32x4.add(v128.load(row), shiftLeft), constants);
    const l1 = power2(f32x4.add(v128.load(row, 32), shiftLeft), constants);
    const r0 = power2(f32x4.add(v128.load(row, 16), shiftRight), constants);
    const r1 = power2(f32x4.add(v128.load(row, 48), shiftRight), constants);
    left = i32x4.add(left, i32x4.add(l0, l1));
    right = i32x4.add(right, i32x4.add(r0, r1));
    v128.store(probabilities, v128.or(l0, i32x4.shl(l1, 16)));
    v128.store(probabilities, v128.or(r0, i32x4.shl(r1, 16)), 16);
    probabilities += 32;
  }
  // The group may end with pairs of rows that were not there.
  for (let pair = (t + 1) >> 1; pair < <i32>groupsOf(t) << 2; pair++) {
    v128.store(probabilities, i32x4.splat(0));
    v128.store(probabilities, i32x4.splat(0), 16);
    probabilities += 32;
  }
  const poisons = f32x4.splat(poison);
  v128.store(factors, f32x4.add(poisons, f32x4.div(f32x4.splat(1), f32x4.convert_i32x4_s(left))));
  v128.store(factors, f32x4.add(poisons, f32x4.div(f32x4.splat(1), f32x4.convert_i32x4_s(right))), 16);
}

/** 2^x for x ≤ 14, rounded to a whole number; the polynomial is within 4e-6 of 2^r on [-1/2, 1/2]. */
// @ts-ignore: decorator
@inline
function power2(x: v128, constants: usize): v128 {
  const shifter = v128.load(constants);
  const clamped = f32x4.pmax(x, v128.load(constants, 7 * 16));
  const shifted = f32x4.add(clamped, shifter);
  const r = f32x4.sub(clamped, f32x4.sub(shifted, shifter));
  const r2 = f32x4.mul(r, r);
  const c32 = f32x4.add(f32x4.mul(v128.load(constants, 3 * 16), r), v128.load(constants, 4 * 16));
  const c10 = f32x4.add(f32x4.mul(v128.load(constants, 5 * 16), r), v128.load(constants, 6 * 16));
  const high = f32x4.add(f32x4.mul(v128.load(constants, 2 * 16), r2), c32);
  const p = f32x4.add(f32x4.mul(high, r2), c10);
  const power = i32x4.add(p, i32x4.shl(shifted, 23));
  return i32x4.sub(f32x4.add(power, shifter), v128.load(constants, 1 * 16));
}
