/**
 * The micro-kernel of 8-bit products: a tile of ROWS × COLS sums in whole numbers, as micro.ts has it for floats. A lane
 * of 32 bits holds UNIT values of the inner dimension: four bytes, whose products the relaxed dot product adds up, or,
 * without it, two numbers of 16 bits.
 *
 * Processors with AVX-VNNI and those of Arm have one instruction for four products and their sum. On others an engine
 * takes five, and two steps together take less: products of pairs in 16 bits (one instruction), their sums with those of
 * the next step, and only then 32 bits. That four products stay within 16 bits, quantizeMatrix sees to and packCodes
 * checks.
 */
import { COLS, COLS_BYTES, ROWS_BYTES } from './micro';

/** Values in a lane. */
export const UNIT: i32 = ASC_FEATURE_RELAXED_SIMD ? 4 : 2;

/**
 * out [ROWS][COLS] (i32) = init [ROWS][COLS] + Σ a [steps][ROWS][UNIT] · b [steps][COLS][UNIT]; initStride in bytes,
 * `steps` an even number.
 */
export function multiplyCodes(a: usize, b: usize, steps: i32, init: usize, initStride: usize, out: usize): void {
  if (!ASC_FEATURE_RELAXED_SIMD) multiplyCodes5x8(a, b, steps, init, initStride, out);
  else if (addsInWords()) multiplyInWords(a, b, steps, init, initStride, out);
  else if (COLS == 16) multiplyCodes6x16(a, b, steps, init, initStride, out);
  else multiplyCodes6x8(a, b, steps, init, initStride, out);
}

/** A weight of 127 and a code of 255, four of each. */
const BEYOND: usize = memory.data<u32>([0x7f7f7f7f, 0xffffffff]);
/** Their products, where pairs of them are added in 16 bits that saturate: vpmaddubsw. */
const SATURATED: i32 = 2 * 32767;

/**
 * Whether the relaxed dot product takes pairs of products in 16 bits, as an engine does that has no instruction for four.
 * A code beyond 7 bits tells: what it gives is left open.
 */
// @ts-ignore: decorator
@inline
export function addsInWords(): bool {
  const weights = v128.load32_splat(BEYOND), codes = v128.load32_splat(BEYOND, 4);
  const sums = i32x4.relaxed_dot_i8x16_i7x16_add_s(weights, codes, i32x4.splat(0));
  return i32x4.extract_lane(sums, 0) == SATURATED;
}

// @ts-ignore: decorator
@inline
function multiplyInWords(a: usize, b: usize, steps: i32, init: usize, initStride: usize, out: usize): void {
  // Three rows at a time: their sums, two steps of weights and what is added up fit the registers.
  for (let half = 0; half < 2; half++) {
    if (COLS == 16) multiplyWords3x16(a, b, steps, init, initStride, out);
    else multiplyWords3x8(a, b, steps, init, initStride, out);
    a += 12;
    init += 3 * initStride;
    out += 3 * COLS_BYTES;
  }
}

/** Products of a pair of steps, added up in 16 bits. */
// @ts-ignore: decorator
@inline
function dotPair(weights: v128, codes: v128, nextWeights: v128, nextCodes: v128): v128 {
  return i16x8.add(
    i16x8.relaxed_dot_i8x16_i7x16_s(weights, codes),
    i16x8.relaxed_dot_i8x16_i7x16_s(nextWeights, nextCodes),
  );
}

/** The 16-bit number 1, twice. */
const ONES: usize = memory.data<u32>([0x00010001]);

/**
 * sums + the pairs of 16-bit numbers, added up. V8 multiplies them by 1, which stands in memory for a vector of 128 bits and
 * is made anew each time for one of 256: there `ones` stays in a register.
 */
// @ts-ignore: decorator
@inline
function widen(words: v128, ones: v128, sums: v128): v128 {
  return i32x4.add(sums, COLS == 16 ? i32x4.dot_i16x8_s(words, ones) : i32x4.extadd_pairwise_i16x8_s(words));
}

// @ts-ignore: decorator
@inline
function multiplyWords3x8(a: usize, b: usize, steps: i32, init: usize, initStride: usize, out: usize): void {
  const ones = v128.load32_splat(ONES);
  let l0 = v128.load(init), r0 = v128.load(init, 16);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16);
  for (const end = b + (<usize>steps << 5); b != end; b += 64, a += 2 * ROWS_BYTES) {
    const p = v128.load(b), q = v128.load(b, 16), v = v128.load(b, 32), w = v128.load(b, 48);
    let s = v128.load32_splat(a), t = v128.load32_splat(a, ROWS_BYTES);
    l0 = widen(dotPair(p, s, v, t), ones, l0);
    r0 = widen(dotPair(q, s, w, t), ones, r0);
    s = v128.load32_splat(a, 4);
    t = v128.load32_splat(a, ROWS_BYTES + 4);
    l1 = widen(dotPair(p, s, v, t), ones, l1);
    r1 = widen(dotPair(q, s, w, t), ones, r1);
    s = v128.load32_splat(a, 8);
    t = v128.load32_splat(a, ROWS_BYTES + 8);
    l2 = widen(dotPair(p, s, v, t), ones, l2);
    r2 = widen(dotPair(q, s, w, t), ones, r2);
  }
  v128.store(out, l0, 0);
  v128.store(out, r0, 16);
  v128.store(out, l1, 32);
  v128.store(out, r1, 48);
  v128.store(out, l2, 64);
  v128.store(out, r2, 80);
}

// @ts-ignore: decorator
@inline
function multiplyWords3x16(a: usize, b: usize, steps: i32, init: usize, initStride: usize, out: usize): void {
  const ones = v128.load32_splat(ONES);
  let l0 = v128.load(init), r0 = v128.load(init, 16), s0 = v128.load(init, 32), t0 = v128.load(init, 48);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16), s1 = v128.load(init, 32), t1 = v128.load(init, 48);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16), s2 = v128.load(init, 32), t2 = v128.load(init, 48);
  for (const end = b + (<usize>steps << 6); b != end; b += 128, a += 2 * ROWS_BYTES) {
    const p = v128.load(b), q = v128.load(b, 16), v = v128.load(b, 32), w = v128.load(b, 48);
    const p1 = v128.load(b, 64), q1 = v128.load(b, 80), v1 = v128.load(b, 96), w1 = v128.load(b, 112);
    let s = v128.load32_splat(a), t = v128.load32_splat(a, ROWS_BYTES);
    l0 = widen(dotPair(p, s, p1, t), ones, l0);
    r0 = widen(dotPair(q, s, q1, t), ones, r0);
    s0 = widen(dotPair(v, s, v1, t), ones, s0);
    t0 = widen(dotPair(w, s, w1, t), ones, t0);
    s = v128.load32_splat(a, 4);
    t = v128.load32_splat(a, ROWS_BYTES + 4);
    l1 = widen(dotPair(p, s, p1, t), ones, l1);
    r1 = widen(dotPair(q, s, q1, t), ones, r1);
    s1 = widen(dotPair(v, s, v1, t), ones, s1);
    t1 = widen(dotPair(w, s, w1, t), ones, t1);
    s = v128.load32_splat(a, 8);
    t = v128.load32_splat(a, ROWS_BYTES + 8);
    l2 = widen(dotPair(p, s, p1, t), ones, l2);
    r2 = widen(dotPair(q, s, q1, t), ones, r2);
    s2 = widen(dotPair(v, s, v1, t), ones, s2);
    t2 = widen(dotPair(w, s, w1, t), ones, t2);
  }
  v128.store(out, l0, 0);
  v128.store(out, r0, 16);
  v128.store(out, s0, 32);
  v128.store(out, t0, 48);
  v128.store(out, l1, 64);
  v128.store(out, r1, 80);
  v128.store(out, s1, 96);
  v128.store(out, t1, 112);
  v128.store(out, l2, 128);
  v128.store(out, r2, 144);
  v128.store(out, s2, 160);
  v128.store(out, t2, 176);
}

/** sums + the products of each lane's weights and codes, added up. */
// @ts-ignore: decorator
@inline
function dot(weights: v128, codes: v128, sums: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(weights, codes, sums);
  return i32x4.add(sums, i32x4.dot_i16x8_s(weights, codes));
}

// @ts-ignore: decorator
@inline
function multiplyCodes6x16(a: usize, b: usize, steps: i32, init: usize, initStride: usize, out: usize): void {
  let l0 = v128.load(init), r0 = v128.load(init, 16), s0 = v128.load(init, 32), t0 = v128.load(init, 48);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16), s1 = v128.load(init, 32), t1 = v128.load(init, 48);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16), s2 = v128.load(init, 32), t2 = v128.load(init, 48);
  init += initStride;
  let l3 = v128.load(init), r3 = v128.load(init, 16), s3 = v128.load(init, 32), t3 = v128.load(init, 48);
  init += initStride;
  let l4 = v128.load(init), r4 = v128.load(init, 16), s4 = v128.load(init, 32), t4 = v128.load(init, 48);
  init += initStride;
  let l5 = v128.load(init), r5 = v128.load(init, 16), s5 = v128.load(init, 32), t5 = v128.load(init, 48);
  for (const end = b + (<usize>steps << 6); b != end; b += 64, a += 24) {
    const p = v128.load(b), q = v128.load(b, 16), v = v128.load(b, 32), w = v128.load(b, 48);
    let s = v128.load32_splat(a);
    l0 = dot(p, s, l0);
    r0 = dot(q, s, r0);
    s0 = dot(v, s, s0);
    t0 = dot(w, s, t0);
    s = v128.load32_splat(a, 4);
    l1 = dot(p, s, l1);
    r1 = dot(q, s, r1);
    s1 = dot(v, s, s1);
    t1 = dot(w, s, t1);
    s = v128.load32_splat(a, 8);
    l2 = dot(p, s, l2);
    r2 = dot(q, s, r2);
    s2 = dot(v, s, s2);
    t2 = dot(w, s, t2);
    s = v128.load32_splat(a, 12);
    l3 = dot(p, s, l3);
    r3 = dot(q, s, r3);
    s3 = dot(v, s, s3);
    t3 = dot(w, s, t3);
    s = v128.load32_splat(a, 16);
    l4 = dot(p, s, l4);
    r4 = dot(q, s, r4);
    s4 = dot(v, s, s4);
    t4 = dot(w, s, t4);
    s = v128.load32_splat(a, 20);
    l5 = dot(p, s, l5);
    r5 = dot(q, s, r5);
    s5 = dot(v, s, s5);
    t5 = dot(w, s, t5);
  }
  v128.store(out, l0, 0);
  v128.store(out, r0, 16);
  v128.store(out, s0, 32);
  v128.store(out, t0, 48);
  v128.store(out, l1, 64);
  v128.store(out, r1, 80);
  v128.store(out, s1, 96);
  v128.store(out, t1, 112);
  v128.store(out, l2, 128);
  v128.store(out, r2, 144);
  v128.store(out, s2, 160);
  v128.store(out, t2, 176);
  v128.store(out, l3, 192);
  v128.store(out, r3, 208);
  v128.store(out, s3, 224);
  v128.store(out, t3, 240);
  v128.store(out, l4, 256);
  v128.store(out, r4, 272);
  v128.store(out, s4, 288);
  v128.store(out, t4, 304);
  v128.store(out, l5, 320);
  v128.store(out, r5, 336);
  v128.store(out, s5, 352);
  v128.store(out, t5, 368);
}

// @ts-ignore: decorator
@inline
function multiplyCodes6x8(a: usize, b: usize, steps: i32, init: usize, initStride: usize, out: usize): void {
  let l0 = v128.load(init), r0 = v128.load(init, 16);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16);
  init += initStride;
  let l3 = v128.load(init), r3 = v128.load(init, 16);
  init += initStride;
  let l4 = v128.load(init), r4 = v128.load(init, 16);
  init += initStride;
  let l5 = v128.load(init), r5 = v128.load(init, 16);
  for (const end = b + (<usize>steps << 5); b != end; b += 32, a += 24) {
    const p = v128.load(b), q = v128.load(b, 16);
    let s = v128.load32_splat(a);
    l0 = dot(p, s, l0);
    r0 = dot(q, s, r0);
    s = v128.load32_splat(a, 4);
    l1 = dot(p, s, l1);
    r1 = dot(q, s, r1);
    s = v128.load32_splat(a, 8);
    l2 = dot(p, s, l2);
    r2 = dot(q, s, r2);
    s = v128.load32_splat(a, 12);
    l3 = dot(p, s, l3);
    r3 = dot(q, s, r3);
    s = v128.load32_splat(a, 16);
    l4 = dot(p, s, l4);
    r4 = dot(q, s, r4);
    s = v128.load32_splat(a, 20);
    l5 = dot(p, s, l5);
    r5 = dot(q, s, r5);
  }
  v128.store(out, l0, 0);
  v128.store(out, r0, 16);
  v128.store(out, l1, 32);
  v128.store(out, r1, 48);
  v128.store(out, l2, 64);
  v128.store(out, r2, 80);
  v128.store(out, l3, 96);
  v128.store(out, r3, 112);
  v128.store(out, l4, 128);
  v128.store(out, r4, 144);
  v128.store(out, l5, 160);
  v128.store(out, r5, 176);
}

// @ts-ignore: decorator
@inline
function multiplyCodes5x8(a: usize, b: usize, steps: i32, init: usize, initStride: usize, out: usize): void {
  let l0 = v128.load(init), r0 = v128.load(init, 16);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16);
  init += initStride;
  let l3 = v128.load(init), r3 = v128.load(init, 16);
  init += initStride;
  let l4 = v128.load(init), r4 = v128.load(init, 16);
  for (const end = b + (<usize>steps << 5); b != end; b += 32, a += 20) {
    const p = v128.load(b), q = v128.load(b, 16);
    let s = v128.load32_splat(a);
    l0 = dot(p, s, l0);
    r0 = dot(q, s, r0);
    s = v128.load32_splat(a, 4);
    l1 = dot(p, s, l1);
    r1 = dot(q, s, r1);
    s = v128.load32_splat(a, 8);
    l2 = dot(p, s, l2);
    r2 = dot(q, s, r2);
    s = v128.load32_splat(a, 12);
    l3 = dot(p, s, l3);
    r3 = dot(q, s, r3);
    s = v128.load32_splat(a, 16);
    l4 = dot(p, s, l4);
    r4 = dot(q, s, r4);
  }
  v128.store(out, l0, 0);
  v128.store(out, r0, 16);
  v128.store(out, l1, 32);
  v128.store(out, r1, 48);
  v128.store(out, l2, 64);
  v128.store(out, r2, 80);
  v128.store(out, l3, 96);
  v128.store(out, r3, 112);
  v128.store(out, l4, 128);
  v128.store(out, r4, 144);
}
