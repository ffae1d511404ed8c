/**
 * softmax(q kᵀ / √d) v of one head of one image, and its gradient. As in the inference engine, COLS queries at a time and
 * their scores transposed: softmax runs down rows, with no sums across lanes. The gradient computes the weights again;
 * no [T, T] matrix is kept from the forward pass.
 *
 * a: rows that hold queries, keys and values of all heads; p0: heads; p1: d; p2: tokens; p3, p4: where keys and values
 * begin in a row, in floats; p5: tokens that ask.
 */
import { squareRoot } from '../../../../kernels/wasm/assembly/simd';
import { exponentials } from '../../assembly/attention';
import { COLS, COLS_BYTES, multiplyTile, ROWS, ROWS_BYTES, TILE_BYTES } from '../../assembly/micro';
import { packRows, packRowsAt, packTransposed, unpackTransposed } from '../../assembly/pack';
import { copyPieces, packPanel } from './product';
import { Step } from './step';

/** Sixteen zeros, from which sums begin. */
const ZEROS: usize = memory.data(64, 16);
const LOG2_E: f32 = 1.4426950408889634;

/** Up to a whole number of panels of ROWS. */
// @ts-ignore: decorator
@inline
function roundUp(rows: i32): i32 {
  return ((rows + ROWS - 1) / ROWS) * ROWS;
}

// @ts-ignore: decorator
@inline
function groupsOf(queries: i32): i32 {
  return (queries + COLS - 1) / COLS;
}

/** Bytes of keys (or values) as panels of rows, and as panels of columns, with a line that copies may run into. */
// @ts-ignore: decorator
@inline
function panelsBytes(t: i32, d: i32): usize {
  return (<usize>(roundUp(t) * roundUp(d)) << 2) + 64;
}

/** Bytes that `attend` needs for t keys of d values. */
export function attendScratchBytes(t: i32, d: i32): usize {
  return <usize>(1 + d + roundUp(t) + roundUp(d)) * COLS_BYTES + 2 * panelsBytes(t, d);
}

/** Bytes that `attendGradient` needs for t keys and as many queries of d values. */
export function attendGradientScratchBytes(t: i32, d: i32): usize {
  const columns = <usize>(groupsOf(d) * t) * COLS_BYTES;
  const matrices = <usize>(2 * groupsOf(t) * roundUp(t)) * COLS_BYTES;
  const lines = <usize>(2 + 2 * d + roundUp(d) + groupsOf(t) * ROWS) * COLS_BYTES;
  return lines + 3 * panelsBytes(t, d) + 2 * columns + matrices + TILE_BYTES + 64;
}

/** `rows` [t] of d values into panels [t / ROWS][d][ROWS]. */
function packAll(rows: usize, stride: usize, t: i32, d: i32, panels: usize): void {
  for (let row = 0; row < t; row += ROWS) {
    packRows(rows + <usize>row * stride, stride, min(ROWS, t - row), d, panels);
    panels += <usize>d * ROWS_BYTES;
  }
}

/** `rows` [t] of d values into panels [d / ROWS][t][ROWS]. */
function packPieces(rows: usize, stride: usize, t: i32, d: i32, panels: usize): void {
  for (let dim = 0; dim < d; dim += ROWS) {
    copyPieces(rows + (<usize>dim << 2), stride, t, panels);
    panels += <usize>t * ROWS_BYTES;
  }
}

/** out [rows of the panels][COLS] = panels [rows / ROWS][k][ROWS] · panel [k][COLS] */
function multiplyPanels(panels: usize, rows: i32, panel: usize, k: i32, out: usize): void {
  for (let row = 0; row < rows; row += ROWS) {
    multiplyTile(panels, panel, k, ZEROS, 0, out, COLS_BYTES);
    panels += <usize>k * ROWS_BYTES;
    out += TILE_BYTES;
  }
}

/** y: rows of the output, p5 an image. */
export function attend(step: Step, task: i32, scratch: usize): void {
  const heads = step.p0;
  const d = step.p1;
  const t = step.p2;
  const image = task / heads;
  const head = task % heads;
  const stride = step.aStride;
  const queries = step.a + <usize>(image * t) * stride + (<usize>(head * d) << 2);
  const output = step.y + <usize>(image * step.p5) * step.yStride + (<usize>(head * d) << 2);

  const sums = scratch;
  const panel = sums + COLS_BYTES;
  const scores = panel + <usize>d * COLS_BYTES;
  const outputs = scores + <usize>roundUp(t) * COLS_BYTES;
  const keys = outputs + <usize>roundUp(d) * COLS_BYTES;
  const values = keys + panelsBytes(t, d);
  packAll(queries + (<usize>step.p3 << 2), stride, t, d, keys);
  packPieces(queries + (<usize>step.p4 << 2), stride, t, d, values);
  const factor: f32 = LOG2_E / squareRoot(<f32>d);
  for (let query = 0; query < step.p5; query += COLS) {
    const valid = min(COLS, step.p5 - query);
    packTransposed(queries + <usize>query * stride, stride, valid, d, factor, panel);
    multiplyPanels(keys, t, panel, d, scores);
    exponentials(scores, t, sums);
    multiplyPanels(values, d, scores, t, outputs);
    unpackTransposed(outputs, sums, d, output + <usize>query * step.yStride, step.yStride, valid);
  }
}

/** b: the gradient of the output's rows, p5 an image; y: that of a's rows. */
export function attendGradient(step: Step, task: i32, scratch: usize): void {
  const heads = step.p0;
  const d = step.p1;
  const t = step.p2;
  const asking = step.p5;
  const image = task / heads;
  const head = task % heads;
  const stride = step.aStride;
  const yStride = step.yStride;
  const inRow = <usize>(head * d) << 2;
  const queries = step.a + <usize>(image * t) * stride + inRow;
  const dQueries = step.y + <usize>(image * t) * yStride + inRow;
  const dOutput = step.b + <usize>(image * asking) * step.bStride + inRow;
  const tRows = roundUp(t);
  const groups = groupsOf(asking);
  const columnPanels = groupsOf(d);

  const sums = scratch;
  const factors = sums + COLS_BYTES;
  const queryPanel = factors + COLS_BYTES;
  const outputPanel = queryPanel + <usize>d * COLS_BYTES;
  const outputs = outputPanel + <usize>d * COLS_BYTES;
  const line = outputs + <usize>roundUp(d) * COLS_BYTES;
  const tile = line + <usize>(groupsOf(t) * ROWS) * COLS_BYTES;
  const keys = tile + TILE_BYTES;
  const values = keys + panelsBytes(t, d);
  const keyPieces = values + panelsBytes(t, d);
  const queryColumns = keyPieces + panelsBytes(t, d);
  const outputColumns = queryColumns + <usize>(columnPanels * t) * COLS_BYTES;
  const weights = outputColumns + <usize>(columnPanels * t) * COLS_BYTES;
  const dScores = weights + <usize>(groupsOf(t) * tRows) * COLS_BYTES;

  packAll(queries + (<usize>step.p3 << 2), stride, t, d, keys);
  packAll(queries + (<usize>step.p4 << 2), stride, t, d, values);
  packPieces(queries + (<usize>step.p3 << 2), stride, t, d, keyPieces);
  for (let panel = 0; panel < columnPanels; panel++) {
    const valid = min(COLS, d - panel * COLS);
    const at = <usize>panel * COLS_BYTES;
    packPanel(queries + at, stride, valid, asking, queryColumns + <usize>asking * at);
    packPanel(dOutput + at, step.bStride, valid, asking, outputColumns + <usize>asking * at);
  }
  const factor: f32 = <f32>1 / squareRoot(<f32>d);
  for (let at: usize = 0; at < COLS_BYTES; at += 4) store<f32>(factors + at, factor);

  for (let group = 0; group < groups; group++) {
    const query = group * COLS;
    const valid = min(COLS, asking - query);
    const p = weights + <usize>(group * tRows) * COLS_BYTES;
    const ds = dScores + <usize>(group * tRows) * COLS_BYTES;
    packTransposed(queries + <usize>query * stride, stride, valid, d, factor * LOG2_E, queryPanel);
    multiplyPanels(keys, t, queryPanel, d, p);
    exponentials(p, t, sums);
    packTransposed(dOutput + <usize>query * step.bStride, step.bStride, valid, d, 1, outputPanel);
    multiplyPanels(values, t, outputPanel, d, ds);
    softmaxGradient(p, ds, t, sums);
    multiplyPanels(keyPieces, d, ds, t, outputs);
    unpackTransposed(outputs, factors, d, dQueries + <usize>query * yStride, yStride, valid);
  }
  for (let row = asking; row < t; row++) memory.fill(dQueries + <usize>row * yStride, 0, <usize>d << 2);

  const dKeys = dQueries + (<usize>step.p3 << 2);
  const dValues = dQueries + (<usize>step.p4 << 2);
  for (let key = 0; key < t; key += ROWS) {
    const at = <usize>key * yStride;
    const valid = min(ROWS, t - key);
    packKeys(dScores + <usize>key * COLS_BYTES, tRows, groups, line);
    multiplyRows(line, queryColumns, asking, d, factor, valid, tile, dKeys + at, yStride);
    packKeys(weights + <usize>key * COLS_BYTES, tRows, groups, line);
    multiplyRows(line, outputColumns, asking, d, 1, valid, tile, dValues + at, yStride);
  }
}

/**
 * Of p [t][COLS], powers of which `sums` has the columns' reciprocal sums, the weights; of ds, which holds the gradients
 * of the weights, those of the scores: p (dp - Σ p dp).
 */
function softmaxGradient(p: usize, ds: usize, t: i32, sums: usize): void {
  const bytes = <usize>t * COLS_BYTES;
  for (let i: usize = 0; i < COLS_BYTES; i += 32) {
    const reciprocalLeft = v128.load(sums + i);
    const reciprocalRight = v128.load(sums + i, 16);
    let left = f32x4.splat(0);
    let right = f32x4.splat(0);
    for (let at = i; at < bytes; at += COLS_BYTES) {
      const l = f32x4.mul(v128.load(p + at), reciprocalLeft);
      const r = f32x4.mul(v128.load(p + at, 16), reciprocalRight);
      v128.store(p + at, l);
      v128.store(p + at, r, 16);
      left = f32x4.add(left, f32x4.mul(l, v128.load(ds + at)));
      right = f32x4.add(right, f32x4.mul(r, v128.load(ds + at, 16)));
    }
    v128.store(sums + i, left);
    v128.store(sums + i, right, 16);
    for (let at = i; at < bytes; at += COLS_BYTES) {
      const l = f32x4.mul(v128.load(p + at), f32x4.sub(v128.load(ds + at), left));
      const r = f32x4.mul(v128.load(p + at, 16), f32x4.sub(v128.load(ds + at, 16), right));
      v128.store(ds + at, l);
      v128.store(ds + at, r, 16);
    }
  }
}

/** ROWS rows of [groups][tRows][COLS], from the first's row on, into a panel [groups · COLS][ROWS]. */
function packKeys(rows: usize, tRows: i32, groups: i32, panel: usize): void {
  for (let group = 0; group < groups; group++) {
    packRowsAt(
      rows, rows + COLS_BYTES, rows + 2 * COLS_BYTES, rows + 3 * COLS_BYTES, rows + 4 * COLS_BYTES,
      ROWS == 6 ? rows + 5 * COLS_BYTES : rows, COLS, panel,
    );
    rows += <usize>tRows * COLS_BYTES;
    panel += <usize>COLS * ROWS_BYTES;
  }
}

/** `valid` rows of d values: factor · panel [k][ROWS]ᵀ · columns [d / COLS][k][COLS]. */
function multiplyRows(
  panel: usize, columns: usize, k: i32, d: i32, factor: f32, valid: i32, tile: usize, rows: usize, stride: usize,
): void {
  const factors = f32x4.splat(factor);
  for (let dim = 0; dim < d; dim += COLS) {
    multiplyTile(panel, columns, k, ZEROS, 0, tile, COLS_BYTES);
    columns += <usize>k * COLS_BYTES;
    const bytes = <usize>min(COLS, d - dim) << 2;
    for (let row = 0; row < valid; row++) {
      const from = tile + <usize>row * COLS_BYTES;
      const to = rows + <usize>row * stride + (<usize>dim << 2);
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), factors));
      for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(from + i) * factor);
    }
  }
}
