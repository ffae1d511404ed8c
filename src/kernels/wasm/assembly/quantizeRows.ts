/**
 * Rows of activations as 7-bit codes: x ≈ scale · (code - zero), code in 0…127, each row with a scale and a zero of its
 * own; 0 has a code. Seven bits, because that is what the relaxed dot product takes alike on every machine.
 *
 * The first `precise` rows (the class token's, on which the logits hang) have 11 bits: code = 16 · high + low, and the
 * low parts are rows of their own behind the others.
 *
 * Codes lie in groups of GROUP values, [k / GROUP][rows][GROUP]: 16 bytes a row, as the product reads them. Bytes in
 * the relaxed build, 16-bit numbers in the plain one.
 */
import { normalizeRows } from './layerNorm';
import { hadamardRow } from './hadamard';

/** Values of a row that are multiplied with weights held in registers. */
export const GROUP: i32 = ASC_FEATURE_RELAXED_SIMD ? 16 : 8;
/** Bytes from one row's scale and zero to the next. */
export const ROW_PARAMETERS: usize = 8;

/** Largest code of a row, and of a precise one. */
const LEVELS: f32 = 127;
const PRECISE_LEVELS: f32 = 2047;
/** Added to a float below 2^22, it leaves the nearest whole number in the low bits. */
const SHIFTER: f32 = 12582912;

export function groupsOf(k: i32): i32 {
  return (k + GROUP - 1) / GROUP;
}

/** Bytes of the codes of `rows` rows of k values. */
export function codesBytes(rows: i32, k: i32): usize {
  return <usize>groupsOf(k) * <usize>rows * 16;
}

/** Bytes of `row` of quantizeRows: one row, rotated, with the last group filled up. */
export function rowBytes(k: i32): usize {
  return <usize>groupsOf(k) * <usize>GROUP * 4;
}

/**
 * @param x [m, k]
 * @param gamma of a layer norm that goes before, with beta and epsilon; 0 for none
 * @param precise how many of the first rows have 11 bits
 * @param codes of the first row and group; those of the next group stand `groupStride` bytes further on
 * @param lowParts of the first precise row, likewise
 * @param parameters [m] of {scale: f32, zero: i32}
 * @param row rowBytes(k) bytes
 */
export function quantizeRows(
  x: usize, m: i32, k: i32, gamma: usize, beta: usize, epsilon: f32, precise: i32,
  codes: usize, lowParts: usize, groupStride: usize, parameters: usize, row: usize,
): void {
  const bytes = <usize>k << 2;
  memory.fill(row + bytes, 0, rowBytes(k) - bytes);
  for (let i = 0; i < m; i++) {
    if (gamma) normalizeRows(x, 1, k, gamma, beta, epsilon, row);
    hadamardRow(gamma ? row : x, k, row);
    const levels = i < precise ? PRECISE_LEVELS : LEVELS;
    const least = extreme(row, k, false);
    const range = extreme(row, k, true) - least;
    const factor: f32 = range > 0 ? levels / range : 0;
    const zero = <i32>nearest<f32>(-least * factor);
    // A row that is NaN after the norm is so as a whole, and stays so by its scale.
    const first = load<f32>(row);
    store<f32>(parameters, first == first ? range / levels : first);
    store<i32>(parameters, zero, 4);
    const to = codes + (<usize>i << 4);
    if (i < precise) {
      storePrecise(row, k, factor, zero, to, groupStride, lowParts + (<usize>i << 4));
    } else {
      storeCodes(row, k, factor, zero, to, groupStride);
    }
    parameters += ROW_PARAMETERS;
    x += bytes;
  }
}

/** The least or the largest value of a row and 0. */
// @ts-ignore: decorator
@inline
function extreme(row: usize, k: i32, largest: bool): f32 {
  let even = f32x4.splat(0);
  let odd = even;
  // The row is filled up with zeros, which change nothing.
  for (const end = row + rowBytes(k); row < end; row += 32) {
    even = largest ? f32x4.pmax(even, v128.load(row)) : f32x4.pmin(even, v128.load(row));
    odd = largest ? f32x4.pmax(odd, v128.load(row, 16)) : f32x4.pmin(odd, v128.load(row, 16));
  }
  const four = largest ? f32x4.pmax(even, odd) : f32x4.pmin(even, odd);
  const low = largest
    ? max(f32x4.extract_lane(four, 0), f32x4.extract_lane(four, 1))
    : min(f32x4.extract_lane(four, 0), f32x4.extract_lane(four, 1));
  const high = largest
    ? max(f32x4.extract_lane(four, 2), f32x4.extract_lane(four, 3))
    : min(f32x4.extract_lane(four, 2), f32x4.extract_lane(four, 3));
  return largest ? max(low, high) : min(low, high);
}

/**
 * The bits of SHIFTER, by a detour over a number that compilers do not know: a constant vector they would build anew at
 * every use.
 */
// @ts-ignore: decorator
@inline
function shifterBits(zero: i32): v128 {
  return i32x4.splat(reinterpret<i32>(SHIFTER + <f32>zero) - zero);
}

/** Four codes as 32-bit numbers: round(x · factor) + zero. */
// @ts-ignore: decorator
@inline
function fourCodes(row: usize, factors: v128, shifters: v128, bits: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(row), factors), shifters), bits);
}

// @ts-ignore: decorator
@inline
function eightCodes(row: usize, factors: v128, shifters: v128, bits: v128): v128 {
  const low = fourCodes(row, factors, shifters, bits);
  return i16x8.narrow_i32x4_s(low, fourCodes(row + 16, factors, shifters, bits));
}

function storeCodes(row: usize, k: i32, factor: f32, zero: i32, to: usize, groupStride: usize): void {
  const factors = f32x4.splat(factor);
  const shifters = f32x4.splat(SHIFTER + <f32>zero);
  const bits = shifterBits(zero);
  for (const end = row + rowBytes(k); row < end; row += <usize>GROUP << 2) {
    // Scale and zero are rounded, so a code may come out one above the largest.
    if (ASC_FEATURE_RELAXED_SIMD) {
      const low = eightCodes(row, factors, shifters, bits);
      const high = eightCodes(row + 32, factors, shifters, bits);
      v128.store(to, i8x16.narrow_i16x8_s(low, high));
    } else {
      v128.store(to, i16x8.min_s(eightCodes(row, factors, shifters, bits), i16x8.splat(<i16>LEVELS)));
    }
    to += groupStride;
  }
}

function storePrecise(
  row: usize, k: i32, factor: f32, zero: i32, high: usize, groupStride: usize, low: usize,
): void {
  const factors = f32x4.splat(factor);
  const shifters = f32x4.splat(SHIFTER + <f32>zero);
  const bits = shifterBits(zero);
  const most = i16x8.splat(<i16>PRECISE_LEVELS);
  const lowBits = i16x8.splat(15);
  for (const end = row + rowBytes(k); row < end; row += <usize>GROUP << 2) {
    const a = i16x8.min_s(eightCodes(row, factors, shifters, bits), most);
    if (ASC_FEATURE_RELAXED_SIMD) {
      const b = i16x8.min_s(eightCodes(row + 32, factors, shifters, bits), most);
      v128.store(high, i8x16.narrow_i16x8_s(i16x8.shr_s(a, 4), i16x8.shr_s(b, 4)));
      v128.store(low, i8x16.narrow_i16x8_s(v128.and(a, lowBits), v128.and(b, lowBits)));
    } else {
      v128.store(high, i16x8.shr_s(a, 4));
      v128.store(low, v128.and(a, lowBits));
    }
    high += groupStride;
    low += groupStride;
  }
}
