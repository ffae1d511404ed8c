/**
 * Copies of matrices in the order in which the micro-kernel reads them: panels of ROWS rows for its left operand,
 * panels of 8 columns for its right one, each with the inner dimension outermost.
 */
import { ROWS } from './micro';

/**
 * One panel [k][ROWS] of ROWS rows. Rows past `valid` repeat the last valid one: their sums are never used.
 * @param rows address of the first row, each `stride` bytes from the next
 */
export function packRows(rows: usize, stride: usize, valid: i32, k: i32, panel: usize): void {
  const last = rows + stride * <usize>(valid - 1);
  const row1 = min(rows + stride, last);
  const row2 = min(row1 + stride, last);
  const row3 = min(row2 + stride, last);
  const row4 = min(row3 + stride, last);
  packRowsAt(rows, row1, row2, row3, row4, min(row4 + stride, last), k, panel);
}

/** One panel [k][ROWS] of rows that may lie anywhere (row5 is used by panels of six). */
export function packRowsAt(
  row0: usize, row1: usize, row2: usize, row3: usize, row4: usize, row5: usize, k: i32, panel: usize,
): void {
  const step: usize = <usize>ROWS * 4;
  const end = row0 + (<usize>k << 2);
  const vectorEnd = row0 + ((<usize>k & ~3) << 2);
  while (row0 < vectorEnd) {
    const v0 = v128.load(row0);
    const v1 = v128.load(row1);
    const v2 = v128.load(row2);
    const v3 = v128.load(row3);
    const v4 = v128.load(row4);
    const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
    v128.store(panel, v128.shuffle<i64>(low01, low23, 0, 2));
    v128.store(panel + step, v128.shuffle<i64>(low01, low23, 1, 3));
    v128.store(panel + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2));
    v128.store(panel + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3));
    if (ROWS == 6) {
      const v5 = v128.load(row5);
      const low45 = v128.shuffle<f32>(v4, v5, 0, 4, 1, 5);
      const high45 = v128.shuffle<f32>(v4, v5, 2, 6, 3, 7);
      v128.store64_lane(panel, low45, 0, 16);
      v128.store64_lane(panel + step, low45, 1, 16);
      v128.store64_lane(panel + 2 * step, high45, 0, 16);
      v128.store64_lane(panel + 3 * step, high45, 1, 16);
    } else {
      v128.store32_lane(panel, v4, 0, 16);
      v128.store32_lane(panel + step, v4, 1, 16);
      v128.store32_lane(panel + 2 * step, v4, 2, 16);
      v128.store32_lane(panel + 3 * step, v4, 3, 16);
    }
    row0 += 16;
    row1 += 16;
    row2 += 16;
    row3 += 16;
    row4 += 16;
    row5 += 16;
    panel += 4 * step;
  }
  while (row0 < end) {
    store<f32>(panel, load<f32>(row0));
    store<f32>(panel, load<f32>(row1), 4);
    store<f32>(panel, load<f32>(row2), 8);
    store<f32>(panel, load<f32>(row3), 12);
    store<f32>(panel, load<f32>(row4), 16);
    if (ROWS == 6) store<f32>(panel, load<f32>(row5), 20);
    row0 += 4;
    row1 += 4;
    row2 += 4;
    row3 += 4;
    row4 += 4;
    row5 += 4;
    panel += step;
  }
}

/**
 * One panel [k][8] of the 8 columns at `columns` of a matrix with rows `stride` bytes apart. Columns past `valid`
 * are zero.
 */
export function packColumns(columns: usize, stride: usize, valid: i32, k: i32, panel: usize): void {
  for (let i = 0; i < k; i++) {
    if (valid >= 8) {
      v128.store(panel, v128.load(columns));
      v128.store(panel, v128.load(columns, 16), 16);
    } else {
      copyPadded(columns, valid, panel);
    }
    columns += stride;
    panel += 32;
  }
}

/** Copies `valid` (at most 8) floats and fills up to 8 with zeros. */
export function copyPadded(from: usize, valid: i32, to: usize): void {
  for (let i = 0; i < 8; i++) {
    store<f32>(to + (<usize>i << 2), i < valid ? load<f32>(from + (<usize>i << 2)) : 0);
  }
}

/**
 * One panel [k][8] of 8 rows, times `factor`: the transpose of packColumns. Rows past `valid` repeat the last one.
 */
export function packTransposed(
  rows: usize, stride: usize, valid: i32, k: i32, factor: f32, panel: usize,
): void {
  const last = rows + stride * <usize>(valid - 1);
  const factors = f32x4.splat(factor);
  const end = panel + (<usize>k << 5);
  const vectorEnd = panel + ((<usize>k & ~3) << 5);
  for (let half = 0; half < 2; half++) {
    let row0 = min(rows + stride * <usize>(half * 4), last);
    let row1 = min(row0 + stride, last);
    let row2 = min(row1 + stride, last);
    let row3 = min(row2 + stride, last);
    let to = panel + (<usize>half << 4);
    for (const stop = vectorEnd + (<usize>half << 4); to < stop; to += 128) {
      const v0 = f32x4.mul(v128.load(row0), factors);
      const v1 = f32x4.mul(v128.load(row1), factors);
      const v2 = f32x4.mul(v128.load(row2), factors);
      const v3 = f32x4.mul(v128.load(row3), factors);
      const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
      const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(to, v128.shuffle<i64>(low01, low23, 1, 3), 32);
      v128.store(to, v128.shuffle<i64>(high01, high23, 0, 2), 64);
      v128.store(to, v128.shuffle<i64>(high01, high23, 1, 3), 96);
      row0 += 16;
      row1 += 16;
      row2 += 16;
      row3 += 16;
    }
    for (const stop = end + (<usize>half << 4); to < stop; to += 32) {
      store<f32>(to, load<f32>(row0) * factor);
      store<f32>(to, load<f32>(row1) * factor, 4);
      store<f32>(to, load<f32>(row2) * factor, 8);
      store<f32>(to, load<f32>(row3) * factor, 12);
      row0 += 4;
      row1 += 4;
      row2 += 4;
      row3 += 4;
    }
  }
}

/** Columns of [k][8] `panel`, times 8 `factors`, to rows of k floats, `stride` bytes apart; only `valid` of them. */
export function unpackTransposed(
  panel: usize, factors: usize, k: i32, rows: usize, stride: usize, valid: i32,
): void {
  let d = 0;
  if (valid >= 4) {
    for (; d + 4 <= k; d += 4) {
      const to = rows + (<usize>d << 2);
      unpackBlock(panel + (<usize>d << 5), v128.load(factors), to, stride);
      if (valid == 8) unpackBlock(panel + (<usize>d << 5) + 16, v128.load(factors, 16), to + 4 * stride, stride);
    }
  }
  // What the blocks of four by four left: the last columns of every row, and rows past a multiple of four.
  const done = valid == 8 ? 8 : valid >= 4 ? 4 : 0;
  for (let row = 0; row < valid; row++) {
    const factor = load<f32>(factors + (<usize>row << 2));
    for (let i = row < done ? d : 0; i < k; i++) {
      const value = load<f32>(panel + (<usize>i << 5) + (<usize>row << 2));
      store<f32>(rows + stride * <usize>row + (<usize>i << 2), value * factor);
    }
  }
}

// @ts-ignore: decorator
@inline
function unpackBlock(from: usize, factors: v128, to: usize, stride: usize): void {
  const v0 = f32x4.mul(v128.load(from), factors);
  const v1 = f32x4.mul(v128.load(from, 32), factors);
  const v2 = f32x4.mul(v128.load(from, 64), factors);
  const v3 = f32x4.mul(v128.load(from, 96), factors);
  const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(to + stride, v128.shuffle<i64>(low01, low23, 1, 3));
  v128.store(to + 2 * stride, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(to + 3 * stride, v128.shuffle<i64>(high01, high23, 1, 3));
}

/**
 * Panels [k][ROWS] of the columns of a matrix [k][width], rows `stride` bytes apart; columns past `width` are zero.
 */
export function packColumnPanels(matrix: usize, stride: usize, k: i32, width: i32, panels: usize): void {
  const panelBytes = <usize>(k * ROWS) << 2;
  const whole = width - (width % ROWS);
  for (let i = 0; i < k; i++) {
    let to = panels + (<usize>(i * ROWS) << 2);
    for (let column = 0; column < whole; column += ROWS) {
      const from = matrix + (<usize>column << 2);
      v128.store(to, v128.load(from));
      if (ROWS == 6) store<u64>(to, load<u64>(from, 16), 16);
      else store<u32>(to, load<u32>(from, 16), 16);
      to += panelBytes;
    }
    if (whole < width) {
      for (let c = 0; c < ROWS; c++) {
        const value: f32 = whole + c < width ? load<f32>(matrix + (<usize>(whole + c) << 2)) : 0;
        store<f32>(to + (<usize>c << 2), value);
      }
    }
    matrix += stride;
  }
}
