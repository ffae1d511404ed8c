/**
 * Copies of matrices in the order in which the micro-kernel reads them: panels of ROWS rows for its left operand, panels
 * of COLS columns for its right one, each with the inner dimension outermost.
 */
import { packRowsAt } from '../../../kernels/wasm/assembly/pack';
import { COLS, COLS_BYTES, ROWS } from './micro';

export { packRows, packRowsAt } from '../../../kernels/wasm/assembly/pack';

/** w [k, n], row by row, into panels [n / COLS][k][COLS]; columns past n are zero. */
export function packColumns(w: usize, k: i32, n: i32, panels: usize): void {
  const row = <usize>n << 2;
  for (let column = 0; column < n; column += COLS) {
    const valid = n - column;
    let from = w + (<usize>column << 2);
    for (let i = 0; i < k; i++) {
      if (valid >= COLS) {
        memory.copy(panels, from, COLS_BYTES);
      } else {
        const bytes = <usize>valid << 2;
        memory.copy(panels, from, bytes);
        memory.fill(panels + bytes, 0, COLS_BYTES - bytes);
      }
      panels += COLS_BYTES;
      from += row;
    }
  }
}

/** One panel [k][COLS] of COLS rows, times `factor`. Rows past `valid` repeat the last one. */
export function packTransposed(
  rows: usize, stride: usize, valid: i32, k: i32, factor: f32, panel: usize,
): void {
  const last = rows + stride * <usize>(valid - 1);
  const factors = f32x4.splat(factor);
  const vectors = k >> 2;
  for (let column = 0; column < COLS; column += 4) {
    let row0 = min(rows + stride * <usize>column, last);
    let row1 = min(row0 + stride, last);
    let row2 = min(row1 + stride, last);
    let row3 = min(row2 + stride, last);
    let to = panel + (<usize>column << 2);
    for (let i = 0; i < vectors; i++) {
      const v0 = f32x4.mul(v128.load(row0), factors);
      const v1 = f32x4.mul(v128.load(row1), factors);
      const v2 = f32x4.mul(v128.load(row2), factors);
      const v3 = f32x4.mul(v128.load(row3), factors);
      const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
      const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(to + COLS_BYTES, v128.shuffle<i64>(low01, low23, 1, 3));
      v128.store(to + 2 * COLS_BYTES, v128.shuffle<i64>(high01, high23, 0, 2));
      v128.store(to + 3 * COLS_BYTES, v128.shuffle<i64>(high01, high23, 1, 3));
      row0 += 16;
      row1 += 16;
      row2 += 16;
      row3 += 16;
      to += 4 * COLS_BYTES;
    }
    for (let i = vectors << 2; i < k; i++) {
      store<f32>(to, load<f32>(row0) * factor);
      store<f32>(to, load<f32>(row1) * factor, 4);
      store<f32>(to, load<f32>(row2) * factor, 8);
      store<f32>(to, load<f32>(row3) * factor, 12);
      row0 += 4;
      row1 += 4;
      row2 += 4;
      row3 += 4;
      to += COLS_BYTES;
    }
  }
}

/**
 * Columns of the panel [k][COLS], each times one of COLS `factors`, to rows of k floats, `stride` bytes apart; only
 * `valid` of them.
 */
export function unpackTransposed(
  panel: usize, factors: usize, k: i32, rows: usize, stride: usize, valid: i32,
): void {
  let column = 0;
  for (; column + 4 <= valid; column += 4) {
    const at = <usize>column << 2;
    const scale = v128.load(factors + at);
    let from = panel + at;
    let to = rows + stride * <usize>column;
    let i = 0;
    for (; i + 4 <= k; i += 4) {
      const v0 = f32x4.mul(v128.load(from), scale);
      const v1 = f32x4.mul(v128.load(from + COLS_BYTES), scale);
      const v2 = f32x4.mul(v128.load(from + 2 * COLS_BYTES), scale);
      const v3 = f32x4.mul(v128.load(from + 3 * COLS_BYTES), scale);
      const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
      const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(to + stride, v128.shuffle<i64>(low01, low23, 1, 3));
      v128.store(to + 2 * stride, v128.shuffle<i64>(high01, high23, 0, 2));
      v128.store(to + 3 * stride, v128.shuffle<i64>(high01, high23, 1, 3));
      from += 4 * COLS_BYTES;
      to += 16;
    }
    unpackSingly(panel, factors, column, column + 4, i, k, rows, stride);
  }
  unpackSingly(panel, factors, column, valid, 0, k, rows, stride);
}

function unpackSingly(
  panel: usize, factors: usize, first: i32, end: i32, from: i32, k: i32, rows: usize, stride: usize,
): void {
  for (let column = first; column < end; column++) {
    const at = <usize>column << 2;
    const factor = load<f32>(factors + at);
    for (let i = from; i < k; i++) {
      const value = load<f32>(panel + COLS_BYTES * <usize>i + at);
      store<f32>(rows + stride * <usize>column + (<usize>i << 2), value * factor);
    }
  }
}

/** A tile [ROWS][COLS] into a panel [COLS][ROWS]. */
// @ts-ignore: decorator
@inline
export function packTile(tile: usize, panel: usize): void {
  packRowsAt(
    tile, tile + COLS_BYTES, tile + 2 * COLS_BYTES, tile + 3 * COLS_BYTES, tile + 4 * COLS_BYTES,
    ROWS == 6 ? tile + 5 * COLS_BYTES : tile, COLS, panel,
  );
}
