/**
 * y = residual + scale · activation(norm(x) · w + bias), for the rows and columns of a task.
 *
 * The rows are packed into panels in the thread's own memory, where they stay in the second-level cache. Against them go
 * the panels of w, cut in depth, each piece held in the first-level cache while the rows' panels stream past it.
 */
import { endsPlainly, applyEpilogue } from './epilogue';
import { COLS, COLS_BYTES, multiplyTile, ROWS, TILE_BYTES } from './micro';
import { NORM_BYTES, normalizeRow } from './norm';
import { packRows, packRowsAt } from './pack';
import { PANELS_OWN, ROWS_OWN, Step } from './step';

/** Largest depth of a piece of a panel. */
const DEPTH: i32 = 384;

/** What a thread needs of its own for a product, at the head of its memory: one tile, sums of a row, rows to normalise. */
export function linearScratchBytes(k: i32, tiles: i32): usize {
  return TILE_BYTES + NORM_BYTES + <usize>tiles * TILE_BYTES + <usize>ROWS * padded(k);
}

/** Bytes of k values, filled up to whole tiles of 16. */
// @ts-ignore: decorator
@inline
export function padded(k: i32): usize {
  return <usize>((k + 15) & ~15) << 2;
}

/** Bytes of a panel of ROWS rows of k values. */
// @ts-ignore: decorator
@inline
export function panelBytes(k: i32): usize {
  return padded(k) * ROWS;
}

/** Where the tile's rows of an operand begin. */
// @ts-ignore: decorator
@inline
export function rowsOf(address: usize, stride: usize, kind: i32, tile: i32, firstTile: i32, own: usize): usize {
  const row = <usize>(kind == ROWS_OWN ? tile - firstTile : tile) * ROWS;
  return (kind == ROWS_OWN ? own + address : address) + row * stride;
}

/**
 * @param first tiles of rows from here to `end`
 * @param firstPanel panels of columns from here to `endPanel`
 * @param own the thread's memory that steps lay out
 * @param scratch linearScratchBytes(k, end - first) bytes
 */
export function linear(
  step: Step, first: i32, end: i32, firstPanel: i32, endPanel: i32, own: usize, scratch: usize,
): void {
  const k = step.k;
  const panels = own + (step.xKind == PANELS_OWN ? step.x : step.panels);
  if (step.xKind != PANELS_OWN && !isPacked(own, step, first)) packTiles(step, first, end, panels, own, scratch);
  multiply(step, first, end, firstPanel, endPanel, panels, own, scratch);
}

/** Bytes at the head of a thread's own memory that say what it has packed last. */
export const MEMO_BYTES: usize = 64;

/** Forgets what was packed: another program comes. */
export function forgetPacked(own: usize): void {
  store<usize>(own, 0);
}

/** Whether the rows of a task are packed already, for a task of the same step and rows that has other columns. */
export function isPacked(own: usize, step: Step, first: i32): bool {
  const packed = load<usize>(own) == changetype<usize>(step) && load<i32>(own, 4) == first;
  store<usize>(own, changetype<usize>(step));
  store<i32>(own, first, 4);
  return packed;
}

function packTiles(step: Step, first: i32, end: i32, panels: usize, own: usize, scratch: usize): void {
  const k = step.k;
  const size = panelBytes(k);
  const lines = scratch + TILE_BYTES + NORM_BYTES + <usize>(end - first) * TILE_BYTES;
  const lineBytes = padded(k);
  for (let tile = first; tile < end; tile++) {
    const valid = min(ROWS, step.rows - tile * ROWS);
    if (step.p0) {
      packPatches(step, tile * ROWS, panels);
    } else {
      let rows = rowsOf(step.x, step.xStride, step.xKind, tile, first, own);
      let stride = step.xStride;
      if (step.gamma) {
        for (let row = 0; row < valid; row++) {
          const line = lines + <usize>row * lineBytes;
          normalizeRow(rows, k, step.gamma, step.beta, step.epsilon, line, scratch + TILE_BYTES);
          rows += stride;
        }
        rows = lines;
        stride = lineBytes;
      }
      packRows(rows, stride, max(valid, 1), k, panels);
    }
    panels += size;
  }
}

function multiply(
  step: Step, first: i32, end: i32, firstPanel: i32, endPanel: i32, panels: usize, own: usize, scratch: usize,
): void {
  const k = step.k;
  const size = panelBytes(k);
  const pieces = (k + DEPTH - 1) / DEPTH;
  const depth = (k + pieces - 1) / pieces;
  const partials = scratch + TILE_BYTES + NORM_BYTES;
  const plain = endsPlainly(step);
  for (let panel = firstPanel; panel < endPanel; panel++) {
    const offset = <usize>panel * COLS_BYTES;
    const w = step.w + offset * <usize>k;
    for (let from = 0; from < k; from += depth) {
      const count = min(depth, k - from);
      const last = from + count == k;
      const b = w + <usize>from * COLS_BYTES;
      let a = panels + ((<usize>from * ROWS) << 2);
      let partial = partials;
      for (let tile = first; tile < end; tile++) {
        const init = from == 0 ? step.bias + offset : partial;
        const initStride: usize = from == 0 ? 0 : COLS_BYTES;
        if (!last) {
          multiplyTile(a, b, count, init, initStride, partial, COLS_BYTES);
        } else {
          const y = step.yKind == PANELS_OWN
            ? own + step.y + <usize>(tile - first) * panelBytes(step.n)
            : rowsOf(step.y, step.yStride, step.yKind, tile, first, own) + offset;
          if (plain) {
            multiplyTile(a, b, count, init, initStride, y, step.yStride);
          } else {
            const residual = step.residual
              ? step.residual + <usize>(tile * ROWS) * step.residualStride + offset
              : 0;
            multiplyTile(a, b, count, init, initStride, scratch, COLS_BYTES);
            applyEpilogue(scratch, step, offset, residual, y);
          }
        }
        a += size;
        partial += TILE_BYTES;
      }
    }
  }
}

/** One panel of the patches from `index` on: p0 × p1 pixels of p2 values, of images p3 × p4 pixels, p5 × p6 patches. */
function packPatches(step: Step, index: i32, panel: usize): void {
  const last = step.rows - 1;
  const line = <usize>(step.p4 * step.p2) << 2;
  const unit = step.p1 * step.p2;
  let r0 = patchAddress(step, min(index, last));
  let r1 = patchAddress(step, min(index + 1, last));
  let r2 = patchAddress(step, min(index + 2, last));
  let r3 = patchAddress(step, min(index + 3, last));
  let r4 = patchAddress(step, min(index + 4, last));
  let r5 = ROWS == 6 ? patchAddress(step, min(index + 5, last)) : r4;
  for (let i = 0; i < step.p0; i++) {
    packRowsAt(r0, r1, r2, r3, r4, r5, unit, panel);
    r0 += line;
    r1 += line;
    r2 += line;
    r3 += line;
    r4 += line;
    r5 += line;
    panel += <usize>(unit * ROWS) << 2;
  }
}

/** Where the first row of a patch begins. */
function patchAddress(step: Step, index: i32): usize {
  const across = step.p6;
  const column = index % across;
  const rest = index / across;
  const image = rest / step.p5;
  const row = image * step.p3 + (rest % step.p5) * step.p0;
  return step.x + (<usize>((row * step.p4 + column * step.p1) * step.p2) << 2);
}
