/**
 * y = residual + layerScale · activation(scale · (codes of norm(x) H · codes of w) + bias), H a Hadamard rotation, for the
 * rows and columns of a task. Rows become 7-bit codes, each with a scale and a zero of its own: x ≈ scale · (code - zero).
 * Those of a tile with prefix tokens, on which the logits depend, have 11 bits: code = 16 · high + low, and the low parts
 * are multiplied as a tile of their own.
 */
import { madd, nearestWhole } from '../../../kernels/wasm/assembly/simd';
import { hadamardRow } from '../../../kernels/wasm/assembly/hadamard';
import { multiplyCodes, UNIT } from './codes';
import { applyEpilogue, endsPlainly } from './epilogue';
import { isPacked, padded, rowsOf } from './linear';
import { COLS, COLS_BYTES, ROWS, ROWS_BYTES, TILE_BYTES } from './micro';
import { NORM_BYTES, normalizeRow } from './norm';
import { Step } from './step';

/** Largest code of a row, and of one with prefix tokens. */
const LEVELS: f32 = 127;
const PRECISE_LEVELS: f32 = 2047;
/** Added to a float below 2^22, it leaves the nearest whole number in the low bits. */
const SHIFTER: f32 = 12582912;
/** Steps of a piece of a panel, which the first-level cache holds. */
const DEPTH: i32 = 384;
/** Bytes of a tile's scales [ROWS] and zeros [ROWS]. */
const PARAMETERS: usize = 64;

/** Bytes in which the extremes of a row are found; the norm before takes NORM_BYTES of the same. */
const EXTREMES_BYTES: usize = 64;

const ZEROS: usize = memory.data(64, 16);

/** Steps of a product over k values, filled up to whole vectors of 16. */
// @ts-ignore: decorator
@inline
function stepsOf(k: i32): i32 {
  return ((k + 15) & ~15) / UNIT;
}

/** Bytes of a [k, n] matrix of codes in packed form. */
export function packedCodesBytes(k: i32, n: i32): usize {
  return <usize>((n + COLS - 1) / COLS) * <usize>stepsOf(k) * COLS_BYTES;
}

/** Bytes of a thread's own memory for the codes of each tile of rows of k values, and of their parameters. */
export function codesBytes(k: i32): usize {
  return 2 * <usize>stepsOf(k) * ROWS_BYTES + PARAMETERS;
}

/** Bytes of scratch memory for a product. */
export function quantizedScratchBytes(k: i32, tiles: i32): usize {
  return 2 * TILE_BYTES + NORM_BYTES + 2 * <usize>tiles * TILE_BYTES + padded(k) + 64;
}

/**
 * w [k, n], whole numbers as floats, row by row, into panels [n / COLS][steps][COLS][UNIT], and the sums of its columns
 * (i32, filled up to a panel).
 */
export function packCodes(w: usize, k: i32, n: i32, panels: usize, sums: usize): void {
  const steps = stepsOf(k);
  memory.fill(panels, 0, packedCodesBytes(k, n));
  for (let row = 0; row < k; row++) {
    for (let column = 0; column < n; column++) {
      const code = <i32>load<f32>(w + (<usize>(row * n + column) << 2));
      const sum = sums + (<usize>column << 2);
      store<i32>(sum, (row == 0 ? 0 : load<i32>(sum)) + code);
      const lane = ((column / COLS) * steps + row / UNIT) * COLS + column % COLS;
      const at = panels + (<usize>lane << 2);
      if (UNIT == 4) store<i8>(at + <usize>(row % UNIT), <i8>code);
      else store<i16>(at + (<usize>(row % UNIT) << 1), <i16>code);
    }
  }
}

/**
 * Whether four products of w's codes [k, n] and codes of rows stay within 16 bits, as multiplyCodes adds them up: those of
 * each column at the rows 0, 1, 4 and 5 of every eight, and at 2, 3, 6 and 7.
 */
export function codesFit(w: usize, k: i32, n: i32): bool {
  const most = 32767 / <i32>LEVELS;
  for (let row = 0; row < k; row += 8) {
    for (let column = 0; column < n; column++) {
      for (let pair = row; pair < min(row + 4, k); pair += 2) {
        let positive = 0, negative = 0;
        for (let i = 0; i < 4; i++) {
          const at = pair + (i & 1) + ((i & 2) << 1);
          if (at >= k) break;
          const code = <i32>load<f32>(w + (<usize>(at * n + column) << 2));
          if (code > 0) positive += code;
          else negative -= code;
        }
        if (max(positive, negative) > most) return false;
      }
    }
  }
  return true;
}

/**
 * Arguments as those of `linear`. p7: sums of the columns; p8: their scales; p9: prefix tokens of an image; p10: rows of
 * an image.
 */
export function quantizedLinear(
  step: Step, first: i32, end: i32, firstPanel: i32, endPanel: i32, own: usize, scratch: usize,
): void {
  const tiles = <usize>(end - first);
  const size = <usize>stepsOf(step.k) * ROWS_BYTES;
  const high = own + step.panels;
  const low = high + tiles * size;
  const parameters = low + tiles * size;
  if (!isPacked(own, step, first)) quantizeTiles(step, first, end, high, low, parameters, own, scratch);
  multiply(step, first, end, firstPanel, endPanel, high, low, parameters, own, scratch);
}

/** Whether a tile has prefix tokens: every image's first rows. */
// @ts-ignore: decorator
@inline
function isPrecise(step: Step, tile: i32): bool {
  const place = (tile * ROWS) % step.p10;
  return place < step.p9 || place + ROWS > step.p10;
}

function quantizeTiles(
  step: Step, first: i32, end: i32, high: usize, low: usize, parameters: usize, own: usize, scratch: usize,
): void {
  const k = step.k;
  const size = <usize>stepsOf(k) * ROWS_BYTES;
  const line = scratch + EXTREMES_BYTES;
  memory.fill(line, 0, padded(k));
  for (let tile = first; tile < end; tile++) {
    const last = min(ROWS, step.rows - tile * ROWS) - 1;
    const rows = rowsOf(step.x, step.xStride, step.xKind, tile, first, own);
    const precise = isPrecise(step, tile);
    for (let row = 0; row < ROWS; row++) {
      const x = rows + <usize>min(row, last) * step.xStride;
      const at = <usize>row << 2;
      if (step.gamma) normalizeRow(x, k, step.gamma, step.beta, step.epsilon, line, scratch);
      hadamardRow(step.gamma ? line : x, k, line);
      quantizeRow(line, k, precise, high + at, low + at, parameters + at, scratch);
    }
    high += size;
    low += size;
    parameters += PARAMETERS;
  }
}

/**
 * Codes of a row (filled up with zeros) to lanes ROWS_BYTES apart; its scale, and ROWS_BYTES behind it its zero.
 * `scratch` has EXTREMES_BYTES.
 */
function quantizeRow(
  row: usize, k: i32, precise: bool, high: usize, low: usize, parameters: usize, scratch: usize,
): void {
  const end = row + padded(k);
  const levels = precise ? PRECISE_LEVELS : LEVELS;
  findExtremes(row, end, scratch);
  const least = load<f32>(scratch);
  const range = load<f32>(scratch, 4) - least;
  const factor: f32 = range > 0 ? levels / range : 0;
  const zero = <i32>nearestWhole(-least * factor);
  // A row that is NaN after the norm is so as a whole, and stays so by its scale.
  const value = load<f32>(row);
  store<f32>(parameters, value == value ? range / levels : value);
  store<i32>(parameters, zero, ROWS_BYTES);
  const factors = f32x4.splat(factor);
  const shifters = f32x4.splat(SHIFTER + <f32>zero);
  const bits = i32x4.splat(reinterpret<i32>(SHIFTER + <f32>zero) - zero);
  const most = i16x8.splat(<i16>levels);
  const fifteen = i16x8.splat(15);
  for (; row < end; row += 64) {
    // Scale and zero are rounded, so a code may come out one above the largest.
    const a = i16x8.min_s(eightCodes(row, factors, shifters, bits), most);
    const b = i16x8.min_s(eightCodes(row + 32, factors, shifters, bits), most);
    if (!precise) {
      storeLanes(a, b, high);
    } else {
      storeLanes(i16x8.shr_s(a, 4), i16x8.shr_s(b, 4), high);
      storeLanes(v128.and(a, fifteen), v128.and(b, fifteen), low);
      low += (16 / UNIT) * ROWS_BYTES;
    }
    high += (16 / UNIT) * ROWS_BYTES;
  }
}

/** Sixteen codes to lanes ROWS_BYTES apart. */
// @ts-ignore: decorator
@inline
function storeLanes(a: v128, b: v128, to: usize): void {
  if (UNIT == 4) {
    const codes = i8x16.narrow_i16x8_s(a, b);
    v128.store32_lane(to, codes, 0);
    v128.store32_lane(to + ROWS_BYTES, codes, 1);
    v128.store32_lane(to + 2 * ROWS_BYTES, codes, 2);
    v128.store32_lane(to + 3 * ROWS_BYTES, codes, 3);
  } else {
    v128.store32_lane(to, a, 0);
    v128.store32_lane(to + ROWS_BYTES, a, 1);
    v128.store32_lane(to + 2 * ROWS_BYTES, a, 2);
    v128.store32_lane(to + 3 * ROWS_BYTES, a, 3);
    v128.store32_lane(to + 4 * ROWS_BYTES, b, 0);
    v128.store32_lane(to + 5 * ROWS_BYTES, b, 1);
    v128.store32_lane(to + 6 * ROWS_BYTES, b, 2);
    v128.store32_lane(to + 7 * ROWS_BYTES, b, 3);
  }
}

/** Eight codes as 16-bit numbers: round(x · factor) + zero. */
// @ts-ignore: decorator
@inline
function eightCodes(row: usize, factors: v128, shifters: v128, bits: v128): v128 {
  const low = i32x4.sub(madd(v128.load(row), factors, shifters), bits);
  const high = i32x4.sub(madd(v128.load(row, 16), factors, shifters), bits);
  return i16x8.narrow_i32x4_s(low, high);
}

/**
 * The least and the largest value of a row and 0, to `to`, of EXTREMES_BYTES. V8 joins the two of a pair, which end in a
 * pair of stores.
 */
function findExtremes(row: usize, end: usize, to: usize): void {
  let least = v128.load(ZEROS), least1 = v128.load(ZEROS, 16);
  let most = v128.load(ZEROS, 32), most1 = v128.load(ZEROS, 48);
  for (; row < end; row += 32) {
    const a = v128.load(row), b = v128.load(row, 16);
    least = f32x4.pmin(least, a);
    least1 = f32x4.pmin(least1, b);
    most = f32x4.pmax(most, a);
    most1 = f32x4.pmax(most1, b);
  }
  v128.store(to, least);
  v128.store(to, least1, 16);
  v128.store(to, most, 32);
  v128.store(to, most1, 48);
  const low = f32x4.pmin(v128.load(to), v128.load(to, 16));
  const high = f32x4.pmax(v128.load(to, 32), v128.load(to, 48));
  // least 0, least 1, most 0, most 1; and of the other lanes
  const a = v128.shuffle<f32>(low, high, 0, 1, 4, 5);
  const b = v128.shuffle<f32>(low, high, 2, 3, 6, 7);
  const l = f32x4.pmin(a, b), h = f32x4.pmax(a, b);
  store<f32>(to, min(f32x4.extract_lane(l, 0), f32x4.extract_lane(l, 1)));
  store<f32>(to, max(f32x4.extract_lane(h, 2), f32x4.extract_lane(h, 3)), 4);
}

function multiply(
  step: Step, first: i32, end: i32, firstPanel: i32, endPanel: i32, high: usize, low: usize, parameters: usize,
  own: usize, scratch: usize,
): void {
  const steps = stepsOf(step.k);
  const size = <usize>steps * ROWS_BYTES;
  const pieces = (steps + DEPTH - 1) / DEPTH;
  // Two steps are added up together.
  const depth = ((steps + pieces - 1) / pieces + 1) & ~1;
  const partials = scratch + 2 * TILE_BYTES;
  const lowPartials = partials + <usize>(end - first) * TILE_BYTES;
  const plain = endsPlainly(step);
  for (let panel = firstPanel; panel < endPanel; panel++) {
    const offset = <usize>panel * COLS_BYTES;
    const w = step.w + offset * <usize>steps;
    for (let from = 0; from < steps; from += depth) {
      const count = min(depth, steps - from);
      const last = from + count == steps;
      const b = w + <usize>from * COLS_BYTES;
      const inner = <usize>from * ROWS_BYTES;
      for (let tile = first; tile < end; tile++) {
        const i = <usize>(tile - first);
        const partial = partials + i * TILE_BYTES;
        const init = from == 0 ? ZEROS : partial;
        const initStride: usize = from == 0 ? 0 : COLS_BYTES;
        multiplyCodes(high + i * size + inner, b, count, init, initStride, last ? scratch : partial);
        if (isPrecise(step, tile)) {
          const lowPartial = lowPartials + i * TILE_BYTES;
          const lowInit = from == 0 ? ZEROS : lowPartial;
          const to = last ? scratch + TILE_BYTES : lowPartial;
          multiplyCodes(low + i * size + inner, b, count, lowInit, initStride, to);
          if (last) joinTiles(scratch, scratch + TILE_BYTES);
        }
        if (last) {
          const y = rowsOf(step.y, step.yStride, step.yKind, tile, first, own) + offset;
          const ofTile = parameters + i * PARAMETERS;
          if (plain) {
            toFloats(scratch, step, offset, ofTile, y, step.yStride);
          } else {
            toFloats(scratch, step, offset, ofTile, scratch, COLS_BYTES);
            const residual = step.residual
              ? step.residual + <usize>(tile * ROWS) * step.residualStride + offset
              : 0;
            applyEpilogue(scratch, step, offset, residual, y);
          }
        }
      }
    }
  }
}

/** high = 16 · high + low */
function joinTiles(high: usize, low: usize): void {
  for (const end = high + TILE_BYTES; high < end; high += 32, low += 32) {
    const l = i32x4.add(i32x4.shl(v128.load(high), 4), v128.load(low));
    const r = i32x4.add(i32x4.shl(v128.load(high, 16), 4), v128.load(low, 16));
    v128.store(high, l);
    v128.store(high, r, 16);
  }
}

/**
 * Sums to what they stand for, with bias: (sum - zero · sum of the column) · scale of the column · scale of the row.
 * `out` may be the tile, with outStride COLS_BYTES.
 */
function toFloats(tile: usize, step: Step, offset: usize, parameters: usize, out: usize, outStride: usize): void {
  const sums = <usize>step.p7 + offset;
  const scales = <usize>step.p8 + offset;
  const bias = step.bias + offset;
  for (let row = 0; row < ROWS; row++) {
    const scale = v128.load32_splat(parameters);
    const zero = v128.load32_splat(parameters + ROWS_BYTES);
    for (let i: usize = 0; i < COLS_BYTES; i += 32) {
      const l = i32x4.sub(v128.load(tile + i), i32x4.mul(v128.load(sums + i), zero));
      const r = i32x4.sub(v128.load(tile + i, 16), i32x4.mul(v128.load(sums + i, 16), zero));
      const left = f32x4.mul(f32x4.convert_i32x4_s(l), f32x4.mul(v128.load(scales + i), scale));
      const right = f32x4.mul(f32x4.convert_i32x4_s(r), f32x4.mul(v128.load(scales + i, 16), scale));
      v128.store(out + i, f32x4.add(left, v128.load(bias + i)));
      v128.store(out + i, f32x4.add(right, v128.load(bias + i, 16)), 16);
    }
    tile += COLS_BYTES;
    out += outStride;
    parameters += 4;
  }
}
