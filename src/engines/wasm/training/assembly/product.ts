/**
 * y = a · b with what comes before and after it, each of a and b as it lies or transposed: the forward pass of a linear
 * layer, the gradient of its input (b transposed) and that of its matrix (a transposed).
 *
 * The inner dimension is cut into pieces. Of each piece, the task's rows of a are packed into panels in the thread's own
 * memory, and a panel of b is packed where it stays in the first-level cache while the rows' panels stream past it. The
 * pieces depend on the inner dimension alone, so that the bits are those of any number of threads.
 */
import { COLS, COLS_BYTES, multiplyTile, ROWS, ROWS_BYTES, TILE_BYTES } from '../../assembly/micro';
import { packRows, packTransposed } from '../../assembly/pack';
import { finishTile, isPlain } from './finishTile';
import { accumulates, Step, TRANSPOSED } from './step';

/** Largest depth of a piece. */
const DEPTH: i32 = 384;
/** Bytes at the head of a thread's own memory that say what it has packed last. */
const MEMO_BYTES: usize = 64;
/** Rows of a transposed operand that are packed at a time, so that each line is read once. */
const BLOCK: i32 = 32;

// @ts-ignore: decorator
@inline
function depthOf(k: i32): i32 {
  const pieces = (k + DEPTH - 1) / DEPTH;
  return (k + pieces - 1) / pieces;
}

/** What a task of `tiles` tiles of rows and `panels` panels of columns needs of a thread's own memory. */
export function productOwnBytes(k: i32, tiles: i32, panels: i32): usize {
  const depth = depthOf(k);
  const partials = depth < k ? <usize>(tiles * panels) * TILE_BYTES : 0;
  return MEMO_BYTES + <usize>(tiles * depth) * ROWS_BYTES + 64 + partials;
}

/** What it needs beside: a tile, and a panel of b. */
export function productScratchBytes(k: i32): usize {
  return TILE_BYTES + <usize>depthOf(k) * COLS_BYTES + 64;
}

/** Forgets what was packed: another program comes. */
export function forgetRows(own: usize): void {
  store<usize>(own, 0);
}

/** Whether a thread has just packed these rows, for a task of the same step that had other columns. */
function isPacked(own: usize, step: Step, first: i32): bool {
  const packed = load<usize>(own) == changetype<usize>(step) && load<i32>(own, 4) == first;
  store<usize>(own, changetype<usize>(step));
  store<i32>(own, first, 4);
  return packed;
}

/**
 * @param first tiles of rows from here to `end`
 * @param firstPanel panels of columns from here to `endPanel`
 */
export function product(
  step: Step, first: i32, end: i32, firstPanel: i32, endPanel: i32, own: usize, scratch: usize,
): void {
  const k = step.k;
  const depth = depthOf(k);
  const tiles = end - first;
  const panels = own + MEMO_BYTES;
  const size = <usize>depth * ROWS_BYTES;
  const partials = panels + <usize>tiles * size + 64;
  const packed = scratch + TILE_BYTES;
  const packsOnce = depth == k;
  const plain = isPlain(step);
  const adds = accumulates(step);
  for (let from = 0; from < k; from += depth) {
    const count = min(depth, k - from);
    const last = from + count == k;
    if (!packsOnce || !isPacked(own, step, first)) packLeft(step, first, end, from, count, size, panels);
    let partial = partials;
    for (let panel = firstPanel; panel < endPanel; panel++) {
      const offset = <usize>panel * COLS_BYTES;
      packRight(step, panel, from, count, packed);
      if (first == 0 && step.sums) sumColumns(packed, count, step.sums + offset, from > 0 || adds);
      let a = panels;
      for (let tile = first; tile < end; tile++) {
        const init = from == 0 ? step.bias + offset : partial;
        const initStride: usize = from == 0 ? 0 : COLS_BYTES;
        if (!last) {
          multiplyTile(a, packed, count, init, initStride, partial, COLS_BYTES);
        } else if (plain && (!step.exact || isWhole(step, tile, panel, adds))) {
          const y = step.y + <usize>(tile * ROWS) * step.yStride + offset;
          multiplyTile(a, packed, count, init, initStride, y, step.yStride);
        } else {
          touch(step, min(tile + 1, end - 1) * ROWS, offset, scratch);
          multiplyTile(a, packed, count, init, initStride, scratch, COLS_BYTES);
          finishTile(step, scratch, tile * ROWS, panel, adds);
        }
        a += size;
        partial += TILE_BYTES;
      }
    }
  }
  if (!packsOnce) forgetRows(own);
}

/**
 * Asks for the lines of memory that finishTile will read for the next tile, while this one is computed: it would wait for
 * each in turn.
 * @param tile what is written here is overwritten
 */
function touch(step: Step, row: i32, offset: usize, tile: usize): void {
  if (!step.residual) return;
  let seen: i32 = 0;
  const residual = step.residual + <usize>row * step.residualStride + offset;
  for (let i: usize = 0; i < <usize>ROWS; i++) seen |= load<i32>(residual + i * step.residualStride);
  store<i32>(tile, seen);
}

/** Whether all of a tile is stored, and nothing is added to it. */
// @ts-ignore: decorator
@inline
function isWhole(step: Step, tile: i32, panel: i32, adds: bool): bool {
  return !adds && (tile + 1) * ROWS <= step.m && (panel + 1) * COLS <= step.n;
}

/** Rows of a piece of a, in panels of `size` bytes. */
function packLeft(
  step: Step, first: i32, end: i32, from: i32, count: i32, size: usize, panels: usize,
): void {
  const stride = step.aStride;
  if (step.aKind == TRANSPOSED) {
    for (let row = 0; row < count; row += BLOCK) {
      const rows = min(BLOCK, count - row);
      let x = step.a + <usize>(from + row) * stride + <usize>first * ROWS_BYTES;
      let to = panels + <usize>row * ROWS_BYTES;
      for (let tile = first; tile < end; tile++) {
        copyPieces(x, stride, rows, to);
        x += ROWS_BYTES;
        to += size;
      }
    }
    return;
  }
  for (let tile = first; tile < end; tile++) {
    const valid = max(min(ROWS, step.m - tile * ROWS), 1);
    packRows(step.a + <usize>(tile * ROWS) * stride + (<usize>from << 2), stride, valid, count, panels);
    panels += size;
  }
}

/** ROWS values of each of some rows, one behind the other. */
export function copyPieces(from: usize, stride: usize, rows: i32, to: usize): void {
  for (let row = 0; row < rows; row++) {
    v128.store(to, v128.load(from));
    if (ROWS == 6) store<u64>(to, load<u64>(from, 16), 16);
    else store<u32>(to, load<u32>(from, 16), 16);
    from += stride;
    to += ROWS_BYTES;
  }
}

/** A panel [count][COLS] of a piece of b. */
function packRight(step: Step, panel: i32, from: i32, count: i32, to: usize): void {
  const stride = step.bStride;
  const valid = min(COLS, step.n - panel * COLS);
  if (step.bKind == TRANSPOSED) {
    const rows = step.b + <usize>(panel * COLS) * stride + (<usize>from << 2);
    packTransposed(rows, stride, valid, count, 1, to);
    return;
  }
  packPanel(step.b + <usize>from * stride + <usize>panel * COLS_BYTES, stride, valid, count, to);
}

/** A panel [k][COLS] of columns; those past `valid` are zero. */
export function packPanel(columns: usize, stride: usize, valid: i32, k: i32, panel: usize): void {
  if (valid < COLS) {
    const bytes = <usize>valid << 2;
    for (let i = 0; i < k; i++) {
      memory.copy(panel, columns, bytes);
      memory.fill(panel + bytes, 0, COLS_BYTES - bytes);
      columns += stride;
      panel += COLS_BYTES;
    }
    return;
  }
  for (let i = 0; i < k; i++) {
    for (let at: usize = 0; at < COLS_BYTES; at += 32) {
      const l = v128.load(columns + at);
      const r = v128.load(columns + at, 16);
      v128.store(panel + at, l);
      v128.store(panel + at, r, 16);
    }
    columns += stride;
    panel += COLS_BYTES;
  }
}

/** The sums of a panel's columns, added to what is there if `adds`. */
function sumColumns(panel: usize, count: i32, to: usize, adds: bool): void {
  for (let at: usize = 0; at < COLS_BYTES; at += 32) {
    let l = adds ? v128.load(to + at) : f32x4.splat(0);
    let r = adds ? v128.load(to + at, 16) : f32x4.splat(0);
    let row = panel + at;
    for (let i = 0; i < count; i++) {
      l = f32x4.add(l, v128.load(row));
      r = f32x4.add(r, v128.load(row, 16));
      row += COLS_BYTES;
    }
    v128.store(to + at, l);
    v128.store(to + at, r, 16);
  }
}
