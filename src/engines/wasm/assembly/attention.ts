/**
 * softmax(q kᵀ / √d) v, one head at a time, COLS queries at a time.
 *
 * First, `splitHeads` lays keys and values out as left operands, where their rows are made. The scores are then computed
 * transposed, a row of COLS queries for each key: softmax runs down the rows with no sums across lanes, and the rows are,
 * as they lie, the right operand of the product with v.
 */
import { squareRoot } from '../../../kernels/wasm/assembly/simd';
import { padded, rowsOf } from './linear';
import { exp2 } from './math';
import { COLS, COLS_BYTES, multiplyTile, ROWS, ROWS_BYTES } from './micro';
import { NORM_BYTES, normalizeRow } from './norm';
import { packRows, packTransposed, unpackTransposed } from './pack';
import { Step } from './step';

/** Sixteen zeros, from which sums begin. */
const ZEROS: usize = memory.data(64, 16);

/** Bytes that `splitHeads` needs. */
export function splitScratchBytes(d: i32): usize {
  return NORM_BYTES + <usize>ROWS * padded(d);
}

/** Bytes that `attention` needs for t keys of d values. */
export function attentionScratchBytes(t: i32, d: i32): usize {
  return <usize>(d + 2 * roundUp(d) + roundUp(t) + 2) * COLS_BYTES;
}

/** Up to a whole number of panels of ROWS. */
function roundUp(rows: i32): i32 {
  return ((rows + ROWS - 1) / ROWS) * ROWS;
}

/**
 * Rows that hold queries, keys and values of all heads, into
 *
 *     queries `y` [images][heads][p8][d]
 *     keys    `w` [images][heads][tiles of an image][d][ROWS]
 *     values  `residual` [images][heads][panels of d][tiles of an image][ROWS tokens][ROWS]
 *
 * x: rows; p0: heads; p1: d; p3: tiles of an image; p4, p5, p6: where queries (-1 for none), keys and values begin in a
 * row, in floats; p7: tokens that ask; p8: rows of an image's queries. With gamma, queries are normalised by gamma and
 * beta, keys by scale and bias.
 */
export function splitHeads(step: Step, first: i32, end: i32, own: usize, scratch: usize): void {
  const heads = step.p0;
  const d = step.p1;
  const tiles = step.p3;
  const stride = step.xStride;
  const headBytes = <usize>d << 2;
  const dPanels = (d + ROWS - 1) / ROWS;
  const line = padded(d);
  for (let tile = first; tile < end; tile++) {
    const image = tile / tiles;
    const place = tile % tiles;
    const rows = rowsOf(step.x, stride, step.xKind, tile, first, own);
    for (let head = 0; head < heads; head++) {
      const at = <usize>(image * heads + head);
      const inRow = <usize>head * headBytes;
      if (step.p4 >= 0) {
        const q = rows + (<usize>step.p4 << 2) + inRow;
        const count = min(ROWS, step.p7 - place * ROWS);
        let to = step.y + (at * <usize>step.p8 + <usize>(place * ROWS)) * headBytes;
        for (let row = 0; row < count; row++) {
          const from = q + <usize>row * stride;
          if (step.gamma) normalizeRow(from, d, step.gamma, step.beta, step.epsilon, to, scratch);
          else memory.copy(to, from, headBytes);
          to += headBytes;
        }
      }
      let keys = rows + (<usize>step.p5 << 2) + inRow;
      let keyStride = stride;
      if (step.gamma) {
        for (let row = 0; row < ROWS; row++) {
          const to = scratch + NORM_BYTES + <usize>row * line;
          normalizeRow(keys + <usize>row * stride, d, step.scale, step.bias, step.epsilon, to, scratch);
        }
        keys = scratch + NORM_BYTES;
        keyStride = line;
      }
      packRows(keys, keyStride, ROWS, d, step.w + (at * <usize>tiles + <usize>place) * (headBytes * ROWS));
      const values = rows + (<usize>step.p6 << 2) + inRow;
      let to = step.residual + (at * <usize>(dPanels * tiles) + <usize>place) * (ROWS_BYTES * ROWS);
      for (let panel = 0; panel < dPanels; panel++) {
        copyPieces(values + <usize>panel * ROWS_BYTES, stride, to);
        to += <usize>tiles * (ROWS_BYTES * ROWS);
      }
    }
  }
}

/** ROWS values of each of ROWS rows, one behind the other. */
// @ts-ignore: decorator
@inline
function copyPieces(from: usize, stride: usize, to: usize): void {
  for (let row = 0; row < ROWS; row++) {
    v128.store(to, v128.load(from));
    if (ROWS == 6) store<u64>(to, load<u64>(from, 16), 16);
    else store<u32>(to, load<u32>(from, 16), 16);
    from += stride;
    to += ROWS_BYTES;
  }
}

/** q kᵀ / √d of `valid` queries, a row of COLS for each key, as `exponentials` leaves it, and its sums. `panel`: scratch. */
// @ts-ignore: decorator
@inline
function scoreQueries(
  queries: usize, valid: i32, d: i32, keys: usize, t: i32, panel: usize, scores: usize, sums: usize,
): void {
  const headBytes = <usize>d << 2;
  // e^x = 2^(x · log2 e)
  const factor: f32 = <f32>1.4426950408889634 / squareRoot(<f32>d);
  packTransposed(queries, headBytes, valid, d, factor, panel);
  for (let key = 0; key < t; key += ROWS) {
    multiplyTile(
      keys + <usize>key * headBytes, panel, d, ZEROS, 0, scores + <usize>key * COLS_BYTES, COLS_BYTES,
    );
  }
  exponentials(scores, t, sums);
}

/**
 * Groups of COLS queries of one head. x: queries as splitHeads has them; w: keys; residual: values; y: output rows of
 * yStride bytes.
 *
 * p0: heads; p1: d; p2: tokens; p3: tiles of an image; p7: queries; p8: rows of an image's queries; p9: rows of an
 * image's output; p10: tasks a head; p11: whether all images share the queries.
 */
export function attention(step: Step, task: i32, scratch: usize): void {
  const heads = step.p0;
  const d = step.p1;
  const t = step.p2;
  const tiles = step.p3;
  const parts = step.p10;
  const part = task % parts;
  const head = (task / parts) % heads;
  const image = task / parts / heads;
  const at = <usize>(image * heads + head);
  const headBytes = <usize>d << 2;
  const dPanels = (d + ROWS - 1) / ROWS;
  const dRows = dPanels * ROWS;
  const keys = step.w + at * <usize>(tiles * d * ROWS) * 4;
  const values = step.residual + at * <usize>(dPanels * tiles) * (ROWS_BYTES * ROWS);
  const queries = step.x + (step.p11 ? <usize>head : at) * <usize>step.p8 * headBytes;
  const output = step.y + <usize>(image * step.p9) * step.yStride + <usize>head * headBytes;

  const sums = scratch;
  const panel = sums + COLS_BYTES;
  const scores = panel + <usize>d * COLS_BYTES;
  const outputs = scores + <usize>roundUp(t) * COLS_BYTES;
  const groups = (step.p7 + COLS - 1) / COLS;
  const end = (part + 1) * groups / parts;
  for (let group = part * groups / parts; group < end; group++) {
    const query = group * COLS;
    const valid = min(COLS, step.p7 - query);
    scoreQueries(queries + <usize>query * headBytes, valid, d, keys, t, panel, scores, sums);
    for (let dim = 0; dim < dRows; dim += ROWS) {
      multiplyTile(
        values + <usize>(dim * tiles * ROWS) * 4, scores, t, ZEROS, 0, outputs + <usize>dim * COLS_BYTES, COLS_BYTES,
      );
    }
    unpackTransposed(outputs, sums, d, output + <usize>query * step.yStride, step.yStride, valid);
  }
}

/**
 * softmax(q kᵀ / √d) itself, of groups of COLS queries of one head: y [image][heads][queries][t], yStride bytes an image. The
 * other fields are those of `attention`, without values.
 */
export function attentionWeights(step: Step, task: i32, scratch: usize): void {
  const heads = step.p0;
  const d = step.p1;
  const t = step.p2;
  const parts = step.p10;
  const part = task % parts;
  const head = (task / parts) % heads;
  const image = task / parts / heads;
  const at = <usize>(image * heads + head);
  const headBytes = <usize>d << 2;
  const keys = step.w + at * <usize>(step.p3 * d * ROWS) * 4;
  const queries = step.x + at * <usize>step.p8 * headBytes;
  const output = step.y + <usize>image * step.yStride + (<usize>(head * step.p7 * t) << 2);

  const sums = scratch;
  const panel = sums + COLS_BYTES;
  const scores = panel + <usize>d * COLS_BYTES;
  const groups = (step.p7 + COLS - 1) / COLS;
  const end = (part + 1) * groups / parts;
  for (let group = part * groups / parts; group < end; group++) {
    const query = group * COLS;
    const valid = min(COLS, step.p7 - query);
    scoreQueries(queries + <usize>query * headBytes, valid, d, keys, t, panel, scores, sums);
    for (let row = 0; row < valid; row++) {
      const scale = load<f32>(sums + (<usize>row << 2));
      const to = output + (<usize>((query + row) * t) << 2);
      let from = scores + (<usize>row << 2);
      for (let key: usize = 0; key < <usize>t; key++) {
        store<f32>(to + (key << 2), load<f32>(from) * scale);
        from += COLS_BYTES;
      }
    }
  }
}

/** scores [t][COLS] to 2^(score - largest of the column), and the reciprocals of the columns' sums to `sums` [COLS]. */
export function exponentials(scores: usize, t: i32, sums: usize): void {
  const end = scores + <usize>t * COLS_BYTES;
  for (let i: usize = 0; i < COLS_BYTES; i += 32) {
    let mostLeft = v128.load(scores + i);
    let mostRight = v128.load(scores + i, 16);
    for (let row = scores + COLS_BYTES + i; row < end; row += COLS_BYTES) {
      mostLeft = f32x4.pmax(mostLeft, v128.load(row));
      mostRight = f32x4.pmax(mostRight, v128.load(row, 16));
    }
    let left = f32x4.splat(0);
    let right = f32x4.splat(0);
    for (let row = scores + i; row < end; row += COLS_BYTES) {
      const l = exp2(f32x4.sub(v128.load(row), mostLeft));
      const r = exp2(f32x4.sub(v128.load(row, 16), mostRight));
      v128.store(row, l);
      v128.store(row, r, 16);
      left = f32x4.add(left, l);
      right = f32x4.add(right, r);
    }
    const one = f32x4.splat(1);
    const l = f32x4.div(one, left);
    const r = f32x4.div(one, right);
    v128.store(sums + i, l);
    v128.store(sums + i, r, 16);
  }
}
