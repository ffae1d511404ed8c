/**
 * y [m, n] = activation(x [m, k] · w [k, n] + bias) * scale + residual
 *
 * Blocks of x are packed into panels of ROWS rows; against them go panels of 8 columns of w, each held in the
 * first-level cache while the panels of the block stream past it. Threads share both: first the packing, then the
 * columns.
 */
import { applyEpilogue, Target } from './epilogue';
import { COLS, multiplyTile, ROWS, TILE_BYTES } from './micro';
import { copyPadded, packColumns, packRows, packRowsAt } from './pack';
import { beginStages, nextChunk, openStage, Stages } from './workQueue';
import { aligned } from './scratch';
import { CONSTANTS_BYTES, storeConstants } from './simd';

/**
 * Depth of a block: a panel of w and one of x are then 28 kB, which first-level caches of 32 kB hold. Measured against
 * 256 to 1536: up to 2 % faster than its neighbours at k = 3072, the same elsewhere.
 */
const BLOCK_DEPTH: i32 = 512;
/** Most rows of a block: about 400 kB with BLOCK_DEPTH, and the 198 rows of a 224-pixel image in one block. */
const BLOCK_ROWS: i32 = 204 - (204 % ROWS);
/** Rows that a thread packs at a time. */
const PACK_ROWS: i32 = 4 * ROWS;
/** Columns that a thread computes at a time: 64 bytes of a row, so that few lines of the cache have two writers. */
const CHUNK_COLS: i32 = 2 * COLS;

/** One product, or the projection of patches. Addresses; 0 for operands that are not there. */
// @ts-ignore: decorator
@unmanaged
class Product {
  x: usize;
  /** For patches: where they lie in x. */
  patches: Patches | null;
  m: i32;
  k: i32;
  n: i32;
  w: usize;
  packed: bool;
  bias: usize;
  scale: usize;
  residual: usize;
  residualRows: i32;
  gelu: bool;
  y: usize;
  /** The packed rows of the block at hand, the same for all threads. */
  panels: usize;
  /** The last columns of the block where they are fewer than 8, likewise: [rows][8]. */
  edge: usize;
  /** The thread's own scratch memory. */
  own: usize;
}

/** Patches of images [h, width, c]. */
// @ts-ignore: decorator
@unmanaged
class Patches {
  size: i32;
  h: i32;
  /** Patches down and across an image. */
  down: i32;
  across: i32;
  /** Bytes of a row of the image. */
  line: usize;
  /** Values in a row of a patch. */
  unit: i32;
}

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

// Scratch memory: the panels of a block and the edge, and for each thread what follows, in this order. The last columns
// of a matrix whose n is not a multiple of 8 are computed as a matrix of its own, 8 wide, and copied to its place.
const TARGET: usize = TILE_BYTES;
const PRODUCT: usize = TARGET + 64;
const PATCHES: usize = PRODUCT + 64;
const STAGES: usize = PATCHES + 64;
const CONSTANTS: usize = STAGES + 64;
const EDGE_BIAS: usize = CONSTANTS + CONSTANTS_BYTES;
const EDGE_SCALE: usize = EDGE_BIAS + 32;
const EDGE_RESIDUAL: usize = EDGE_SCALE + 32;
const COLUMN_PANEL: usize = EDGE_RESIDUAL + <usize>BLOCK_ROWS * 32;
/** Bytes of the edge. */
const EDGE: usize = (<usize>BLOCK_ROWS * 32 + 63) & ~63;

function threadBytes(depth: i32): usize {
  return aligned(COLUMN_PANEL + (<usize>depth << 5));
}

function panelBytes(m: i32, depth: i32): usize {
  return aligned((<usize>blockRows(m) * <usize>depth) << 2);
}

/**
 * Bytes of scratch memory that `linear` (unit 1) and `patchEmbed` (unit: values in one row of a patch) need.
 */
export function linearScratchBytes(m: i32, k: i32, unit: i32, threads: i32): usize {
  const depth = blockDepth(k, unit);
  return panelBytes(m, depth) + EDGE + <usize>max(threads, 1) * threadBytes(depth);
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

/**
 * @param w [k, n] row by row, or what packWeights made of it where `packed`
 * @param bias [n], or 0
 * @param scale [n], or 0
 * @param residual [residualRows, n], repeated over the rows of y, or 0
 * @param y [m, n]
 * @param scratch linearScratchBytes(m, k, 1, threads) bytes
 * @param queue of the threads that are called with the same arguments, each its own `thread` from 0 on
 */
export function linear(
  x: usize, m: i32, k: i32, n: i32, w: usize, packed: bool, bias: usize, scale: usize,
  residual: usize, residualRows: i32, gelu: bool, y: usize, scratch: usize, queue: usize, thread: i32,
): void {
  const depth = blockDepth(k, 1);
  const product = productAt(scratch, m, depth, thread);
  product.x = x;
  product.patches = null;
  product.m = m;
  product.k = k;
  product.n = n;
  product.w = w;
  product.packed = packed;
  product.bias = bias;
  product.scale = scale;
  product.residual = residual;
  product.residualRows = residualRows;
  product.gelu = gelu;
  product.y = y;
  multiply(product, depth, queue);
}

/**
 * Patches of x [b, h, width, c], each a row of patch * patch * c values, times w [patch * patch * c, n], plus bias.
 * @param y [b, h / patch, width / patch, n]
 * @param scratch linearScratchBytes(b * h / patch * width / patch, patch * patch * c, patch * c, threads) bytes
 * @param queue as for linear
 */
export function patchEmbed(
  x: usize, b: i32, h: i32, width: i32, c: i32, patch: i32, n: i32, w: usize, packed: bool, bias: usize,
  y: usize, scratch: usize, queue: usize, thread: i32,
): void {
  const unit = patch * c;
  const k = patch * unit;
  const down = h / patch;
  const across = width / patch;
  const m = b * down * across;
  const depth = blockDepth(k, unit);
  const product = productAt(scratch, m, depth, thread);
  const patches = changetype<Patches>(product.own + PATCHES);
  patches.size = patch;
  patches.h = h;
  patches.down = down;
  patches.across = across;
  patches.line = <usize>(width * c) << 2;
  patches.unit = unit;
  product.x = x;
  product.patches = patches;
  product.m = m;
  product.k = k;
  product.n = n;
  product.w = w;
  product.packed = packed;
  product.bias = bias;
  product.scale = 0;
  product.residual = 0;
  product.residualRows = 1;
  product.gelu = false;
  product.y = y;
  multiply(product, depth, queue);
}

/** The product of a thread, its scratch memory set up. */
function productAt(scratch: usize, m: i32, depth: i32, thread: i32): Product {
  const edge = scratch + panelBytes(m, depth);
  const own = edge + EDGE + <usize>thread * threadBytes(depth);
  const product = changetype<Product>(own + PRODUCT);
  product.panels = scratch;
  product.edge = edge;
  product.own = own;
  storeConstants(own + CONSTANTS);
  return product;
}

/** Takes part in a product until nothing is left to do. */
function multiply(product: Product, depth: i32, queue: usize): void {
  const m = product.m;
  const k = product.k;
  const height = blockRows(m);
  const columnChunks = (product.n + CHUNK_COLS - 1) / CHUNK_COLS;
  const stages = changetype<Stages>(product.own + STAGES);
  beginStages(stages, queue);
  for (let row = 0; row < m; row += height) {
    const rows = min(height, m - row);
    const packChunks = (rows + PACK_ROWS - 1) / PACK_ROWS;
    for (let from = 0; from < k; from += depth) {
      const size = min(depth, k - from);
      for (let chunk = openStage(stages, packChunks); chunk >= 0; chunk = nextChunk(stages)) {
        const first = chunk * PACK_ROWS;
        packBlock(product, row, rows, first, min(first + PACK_ROWS, rows), from, size);
      }
      for (let chunk = openStage(stages, columnChunks); chunk >= 0; chunk = nextChunk(stages)) {
        const first = chunk * CHUNK_COLS;
        multiplyBlock(product, row, rows, first, min(first + CHUNK_COLS, product.n), from, size);
      }
    }
  }
}

/** Packs rows `first` to `end` of the block of `rows` rows at `row`, of each `depth` values from `from` on. */
function packBlock(product: Product, row: i32, rows: i32, first: i32, end: i32, from: i32, depth: i32): void {
  const patches = product.patches;
  const k = product.k;
  for (let i = first; i < end; i += ROWS) {
    const panel = product.panels + ((<usize>i * <usize>depth) << 2);
    if (patches) {
      packPatches(product.x, patches, row + i, row + rows - 1, from, depth, panel);
    } else {
      const start = product.x + ((<usize>(row + i) * <usize>k + <usize>from) << 2);
      packRows(start, <usize>k << 2, min(ROWS, rows - i), depth, panel);
    }
  }
}

/** One panel of the patches from `index` on, the last of them `last`. */
function packPatches(
  x: usize, patches: Patches, index: i32, last: i32, from: i32, depth: i32, panel: usize,
): void {
  const unit = patches.unit;
  const line = patches.line;
  const p0 = patchAddress(x, patches, index);
  const p1 = patchAddress(x, patches, min(index + 1, last));
  const p2 = patchAddress(x, patches, min(index + 2, last));
  const p3 = patchAddress(x, patches, min(index + 3, last));
  const p4 = patchAddress(x, patches, min(index + 4, last));
  const p5 = patchAddress(x, patches, min(index + 5, last));
  let skip = <usize>(from / unit) * line;
  for (let done = 0; done < depth; done += unit) {
    packRowsAt(p0 + skip, p1 + skip, p2 + skip, p3 + skip, p4 + skip, p5 + skip, unit, panel);
    panel += <usize>(unit * ROWS) << 2;
    skip += line;
  }
}

/** Where the first row of patch `index` begins. */
function patchAddress(x: usize, patches: Patches, index: i32): usize {
  const column = index % patches.across;
  const rest = index / patches.across;
  const image = rest / patches.down;
  const top = (rest % patches.down) * patches.size;
  return x + <usize>(image * patches.h + top) * patches.line + (<usize>(column * patches.unit) << 2);
}

/** The packed rows of one block times columns `first` to `end` of w. */
function multiplyBlock(
  product: Product, firstRow: i32, rows: i32, first: i32, end: i32, firstK: i32, depth: i32,
): void {
  const n = product.n;
  const k = product.k;
  const w = product.w;
  const own = product.own;
  const panels = product.panels;
  const target = changetype<Target>(own + TARGET);
  target.constants = own + CONSTANTS;
  target.gelu = product.gelu;
  const starts = firstK == 0;
  const ends = firstK + depth == k;
  for (let column = first; column < end; column += COLS) {
    const offset = <usize>column << 2;
    let panel = w + offset * <usize>k + (<usize>firstK << 5);
    if (!product.packed) {
      panel = own + COLUMN_PANEL;
      packColumns(w + ((<usize>firstK * <usize>n) << 2) + offset, <usize>n << 2, n - column, depth, panel);
    }
    if (column + COLS <= n) {
      target.row = product.y + ((<usize>firstRow * <usize>n) << 2) + offset;
      target.stride = <usize>n << 2;
      target.bias = product.bias ? product.bias + offset : 0;
      target.scale = product.scale ? product.scale + offset : 0;
      target.residual = product.residual ? product.residual + offset : 0;
      target.residualRow = product.residual ? firstRow % product.residualRows : 0;
      target.residualRows = product.residualRows;
    } else {
      setEdgeTarget(target, product, n - column, firstRow, rows);
    }
    for (let row = 0; row < rows; row += ROWS) {
      multiplyTile(panels + ((<usize>row * <usize>depth) << 2), panel, depth, own);
      applyEpilogue(own, min(ROWS, rows - row), target, starts, ends);
    }
    if (ends && column + COLS > n) {
      const to = product.y + ((<usize>firstRow * <usize>n) << 2) + offset;
      copyEdge(product.edge, rows, n - column, to, n);
    }
  }
}

/** The last columns, fewer than 8: their bias, scale and residual are copied out of the matrices and padded. */
function setEdgeTarget(target: Target, product: Product, valid: i32, firstRow: i32, rows: i32): void {
  const own = product.own;
  const n = product.n;
  const offset = <usize>(n - valid) << 2;
  target.row = product.edge;
  target.stride = 32;
  target.bias = 0;
  target.scale = 0;
  target.residual = 0;
  target.residualRow = 0;
  target.residualRows = rows;
  if (product.bias) {
    target.bias = own + EDGE_BIAS;
    copyPadded(product.bias + offset, valid, target.bias);
  }
  if (product.scale) {
    target.scale = own + EDGE_SCALE;
    copyPadded(product.scale + offset, valid, target.scale);
  }
  if (product.residual) {
    target.residual = own + EDGE_RESIDUAL;
    for (let row = 0; row < rows; row++) {
      const from = <usize>((firstRow + row) % product.residualRows) * <usize>n;
      copyPadded(product.residual + (from << 2) + offset, valid, target.residual + (<usize>row << 5));
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
