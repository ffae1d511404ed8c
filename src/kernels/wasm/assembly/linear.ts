/**
 * y [m, n] = activation(x [m, k] · w [k, n] + bias) * scale + residual
 *
 * Blocks of x are packed into panels of ROWS rows; against them go panels of 8 columns of w, each held in the
 * first-level cache while the panels of the block stream past it.
 */
import { finishTile, Target } from './finish';
import { COLS, multiplyTile, ROWS, TILE_BYTES } from './micro';
import { copyPadded, packColumns, packRows, packRowsAt } from './pack';
import { CONSTANTS_BYTES, storeConstants } from './simd';

/** Depth of a block: a panel of w is then 24 kB. Measured against 192 to 3072: 1 to 4 % faster than half of it. */
const BLOCK_DEPTH: i32 = 768;
/** Most rows of a block: about 600 kB with BLOCK_DEPTH, and the 198 rows of a 224-pixel picture in one block. */
const BLOCK_ROWS: i32 = 204 - (204 % ROWS);

/** Bytes of a [k, n] matrix in packed form. */
export function packedBytes(k: i32, n: i32): usize {
  return (<usize>((n + COLS - 1) / COLS) * <usize>k) << 5;
}

/** w [k, n], row by row, into panels [n / 8][k][8]. */
export function packWeights(w: usize, k: i32, n: i32, packed: usize): void {
  for (let column = 0; column < n; column += COLS) {
    packColumns(w + (<usize>column << 2), <usize>n << 2, n - column, k, packed);
    packed += <usize>k << 5;
  }
}

// Scratch memory, in this order. The last panel of a matrix whose n is not a multiple of 8 is computed as a matrix
// of its own, 8 wide, and copied to its place.
const TARGET: usize = TILE_BYTES;
const CONSTANTS: usize = TARGET + 64;
const EDGE_BIAS: usize = CONSTANTS + CONSTANTS_BYTES;
const EDGE_SCALE: usize = EDGE_BIAS + 32;
const EDGE_RESIDUAL: usize = EDGE_SCALE + 32;
const EDGE_OUTPUT: usize = EDGE_RESIDUAL + <usize>BLOCK_ROWS * 32;
const COLUMN_PANEL: usize = EDGE_OUTPUT + <usize>BLOCK_ROWS * 32;

/**
 * Bytes of scratch memory that `linear` (unit 1) and `patchEmbed` (unit: values in one row of a patch) need.
 */
export function linearScratchBytes(m: i32, k: i32, unit: i32): usize {
  const depth = <usize>blockDepth(k, unit);
  return COLUMN_PANEL + (depth << 5) + ((<usize>blockRows(m) * depth) << 2);
}

/** Rows of each block, even over the blocks, and whole panels. */
function blockRows(m: i32): i32 {
  const blocks = (m + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const rows = (m + blocks - 1) / blocks;
  return ((rows + ROWS - 1) / ROWS) * ROWS;
}

/** Depth of each block, even over the blocks, and a multiple of `unit`. */
function blockDepth(k: i32, unit: i32): i32 {
  const units = k / unit;
  const most = max(BLOCK_DEPTH / unit, 1);
  const blocks = (units + most - 1) / most;
  return ((units + blocks - 1) / blocks) * unit;
}

/** The packed rows of one block times every panel of w. */
function multiplyBlock(
  panels: usize, firstRow: i32, rows: i32, firstK: i32, depth: i32, k: i32, n: i32,
  w: usize, packed: bool, bias: usize, scale: usize, residual: usize, residualRows: i32, gelu: bool,
  y: usize, scratch: usize,
): void {
  const target = changetype<Target>(scratch + TARGET);
  target.constants = scratch + CONSTANTS;
  const first = firstK == 0;
  const last = firstK + depth == k;
  for (let column = 0; column < n; column += COLS) {
    const offset = <usize>column << 2;
    let panel = w + offset * <usize>k + (<usize>firstK << 5);
    if (!packed) {
      panel = scratch + COLUMN_PANEL;
      packColumns(w + ((<usize>firstK * <usize>n) << 2) + offset, <usize>n << 2, n - column, depth, panel);
    }
    target.gelu = gelu;
    if (column + COLS <= n) {
      target.row = y + ((<usize>firstRow * <usize>n) << 2) + offset;
      target.stride = <usize>n << 2;
      target.bias = bias ? bias + offset : 0;
      target.scale = scale ? scale + offset : 0;
      target.residual = residual ? residual + offset : 0;
      target.residualRow = residual ? firstRow % residualRows : 0;
      target.residualRows = residualRows;
    } else {
      setEdgeTarget(target, n - column, bias, scale, residual, residualRows, firstRow, rows, n, scratch);
    }
    for (let row = 0; row < rows; row += ROWS) {
      multiplyTile(panels + ((<usize>row * <usize>depth) << 2), panel, depth, scratch);
      finishTile(scratch, min(ROWS, rows - row), target, first, last);
    }
    if (last && column + COLS > n) {
      copyEdge(scratch + EDGE_OUTPUT, rows, n - column, y + ((<usize>firstRow * <usize>n) << 2) + offset, n);
    }
  }
}

/** The last columns, fewer than 8: their bias, scale and residual are copied out of the matrices and padded. */
function setEdgeTarget(
  target: Target, valid: i32, bias: usize, scale: usize, residual: usize, residualRows: i32,
  firstRow: i32, rows: i32, n: i32, scratch: usize,
): void {
  const offset = <usize>(n - valid) << 2;
  target.row = scratch + EDGE_OUTPUT;
  target.stride = 32;
  target.bias = 0;
  target.scale = 0;
  target.residual = 0;
  target.residualRow = 0;
  target.residualRows = rows;
  if (bias) {
    target.bias = scratch + EDGE_BIAS;
    copyPadded(bias + offset, valid, target.bias);
  }
  if (scale) {
    target.scale = scratch + EDGE_SCALE;
    copyPadded(scale + offset, valid, target.scale);
  }
  if (residual) {
    target.residual = scratch + EDGE_RESIDUAL;
    for (let row = 0; row < rows; row++) {
      const from = <usize>((firstRow + row) % residualRows) * <usize>n;
      copyPadded(residual + (from << 2) + offset, valid, target.residual + (<usize>row << 5));
    }
  }
}

function copyEdge(from: usize, rows: i32, valid: i32, to: usize, n: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < valid; i++) store<f32>(to + (<usize>i << 2), load<f32>(from + (<usize>i << 2)));
    from += 32;
    to += <usize>n << 2;
  }
}

/**
 * @param w [k, n] row by row, or what packWeights made of it where `packed`
 * @param bias [n], or 0
 * @param scale [n], or 0
 * @param residual [residualRows, n], repeated over the rows of y, or 0
 * @param y [m, n]
 * @param scratch linearScratchBytes(m, k, 1) bytes
 */
export function linear(
  x: usize, m: i32, k: i32, n: i32, w: usize, packed: bool, bias: usize, scale: usize,
  residual: usize, residualRows: i32, gelu: bool, y: usize, scratch: usize,
): void {
  const depth = blockDepth(k, 1);
  const height = blockRows(m);
  const panels = scratch + COLUMN_PANEL + (<usize>depth << 5);
  storeConstants(scratch + CONSTANTS);
  for (let row = 0; row < m; row += height) {
    const rows = min(height, m - row);
    for (let from = 0; from < k; from += depth) {
      const size = min(depth, k - from);
      for (let i = 0; i < rows; i += ROWS) {
        const start = x + ((<usize>(row + i) * <usize>k + <usize>from) << 2);
        packRows(start, <usize>k << 2, min(ROWS, rows - i), size, panels + ((<usize>i * <usize>size) << 2));
      }
      multiplyBlock(
        panels, row, rows, from, size, k, n, w, packed, bias, scale, residual, residualRows, gelu, y, scratch,
      );
    }
  }
}

/**
 * Patches of x [b, h, width, c], each a row of patch * patch * c values, times w [patch * patch * c, n], plus bias.
 * @param y [b, h / patch, width / patch, n]
 * @param scratch linearScratchBytes(b * h / patch * width / patch, patch * patch * c, patch * c) bytes
 */
export function patchEmbed(
  x: usize, b: i32, h: i32, width: i32, c: i32, patch: i32, n: i32, w: usize, packed: bool, bias: usize,
  y: usize, scratch: usize,
): void {
  const unit = patch * c;
  const k = patch * unit;
  const down = h / patch;
  const across = width / patch;
  const m = b * down * across;
  const depth = blockDepth(k, unit);
  const height = blockRows(m);
  const panels = scratch + COLUMN_PANEL + (<usize>depth << 5);
  const line = <usize>(width * c) << 2;
  for (let row = 0; row < m; row += height) {
    const rows = min(height, m - row);
    for (let from = 0; from < k; from += depth) {
      const size = min(depth, k - from);
      for (let i = 0; i < rows; i += ROWS) {
        const end = row + rows - 1;
        let p0 = patchAddress(x, row + i, h, line, unit, down, across, patch);
        let p1 = patchAddress(x, min(row + i + 1, end), h, line, unit, down, across, patch);
        let p2 = patchAddress(x, min(row + i + 2, end), h, line, unit, down, across, patch);
        let p3 = patchAddress(x, min(row + i + 3, end), h, line, unit, down, across, patch);
        let p4 = patchAddress(x, min(row + i + 4, end), h, line, unit, down, across, patch);
        let p5 = patchAddress(x, min(row + i + 5, end), h, line, unit, down, across, patch);
        let to = panels + ((<usize>i * <usize>size) << 2);
        let skip = <usize>(from / unit) * line;
        for (let done = 0; done < size; done += unit) {
          packRowsAt(p0 + skip, p1 + skip, p2 + skip, p3 + skip, p4 + skip, p5 + skip, unit, to);
          to += <usize>(unit * ROWS) << 2;
          skip += line;
        }
      }
      multiplyBlock(panels, row, rows, from, size, k, n, w, packed, bias, 0, 0, 1, false, y, scratch);
    }
  }
}

/** Where the first row of patch `index` begins. */
function patchAddress(
  x: usize, index: i32, h: i32, line: usize, unit: i32, down: i32, across: i32, patch: i32,
): usize {
  const column = index % across;
  const rest = index / across;
  const image = rest / down;
  const top = (rest % down) * patch;
  return x + <usize>(image * h + top) * line + (<usize>(column * unit) << 2);
}
