/**
 * softmax(q kᵀ / √d) v, one head at a time, 8 queries at a time. Threads share heads, or ranges of a head's queries.
 *
 * The scores are computed transposed, a row of 8 queries for each key: softmax then runs down the rows with no sums
 * across lanes, and the rows are, as they lie, the right operand of the product with v. No mask is needed where the
 * number of tokens is not a multiple of a tile.
 */
import { multiplyTile, ROWS } from './micro';
import { packColumnPanels, packRows, packTransposed, unpackTransposed } from './pack';
import { take, threadsOf } from './workQueue';
import { aligned } from './scratch';
import { CONSTANTS_BYTES, exp, storeConstants } from './simd';

/** Bytes of scratch memory that `attention` needs. */
export function attentionScratchBytes(t: i32, d: i32, threads: i32): usize {
  return <usize>max(threads, 1) * headScratchBytes(t, d);
}

/** Bytes of scratch memory that `attendHead` needs. */
export function headScratchBytes(t: i32, d: i32): usize {
  const tokens = <usize>roundUp(t);
  const dims = <usize>roundUp(d);
  const floats = tokens * <usize>d + dims * <usize>t + (tokens + <usize>d + dims + 1) * 8;
  return aligned(CONSTANTS_BYTES + (floats << 2));
}

/** Up to a whole number of panels of ROWS. */
function roundUp(rows: i32): i32 {
  return ((rows + ROWS - 1) / ROWS) * ROWS;
}

/**
 * @param qkv [b, t, 3, heads, d]
 * @param y [b, t, heads, d]
 * @param scratch attentionScratchBytes(t, d, threads) bytes
 * @param queue of the threads that are called with the same arguments, each its own `thread` from 0 on
 */
export function attention(
  qkv: usize, b: i32, t: i32, heads: i32, d: i32, y: usize, scratch: usize, queue: usize, thread: i32,
): void {
  const width = <usize>(heads * d) << 2;
  const own = scratch + <usize>thread * headScratchBytes(t, d);
  const parts = partsOfHead(b * heads, t, threadsOf(queue));
  const queries = queriesOfPart(t, parts);
  const all = b * heads * parts;
  for (let chunk = take(queue, -1); chunk < all; chunk = take(queue, chunk)) {
    const first = (chunk % parts) * queries;
    const head = (chunk / parts) % heads;
    const row = <usize>(chunk / parts / heads) * <usize>t * width;
    const offset = <usize>(head * d) << 2;
    attendHead(qkv + 3 * row + offset, width, t, d, first, min(first + queries, t), y + row + offset, own);
  }
}

/** Into how many ranges of queries a head is cut, so that few heads keep all threads busy to the end. */
export function partsOfHead(heads: i32, t: i32, threads: i32): i32 {
  if (threads < 2) return 1;
  return min(max(4 * threads / heads, 1), (t + 31) / 32);
}

/** Queries of each range but the last: whole groups of 8. */
export function queriesOfPart(t: i32, parts: i32): i32 {
  return ((t + 8 * parts - 1) / (8 * parts)) * 8;
}

/**
 * Queries `first` to `end` of one head. Rows of qkv hold q, k and v, `width` bytes each; rows of y are `width` bytes.
 *
 * @param scratch headScratchBytes(t, d) bytes
 */
export function attendHead(
  qkv: usize, width: usize, t: i32, d: i32, first: i32, end: i32, y: usize, scratch: usize,
): void {
  const stride: usize = 3 * width;
  const tokens = roundUp(t);
  const keys = scratch + CONSTANTS_BYTES;
  const values = keys + (<usize>(tokens * d) << 2);
  const queries = values + (<usize>(roundUp(d) * t) << 2);
  const scores = queries + (<usize>d << 5);
  const sums = scores + (<usize>tokens << 5);
  const outputs = sums + 32;

  storeConstants(scratch);
  for (let key = 0; key < t; key += ROWS) {
    const from = qkv + width + stride * <usize>key;
    packRows(from, stride, min(ROWS, t - key), d, keys + (<usize>(key * d) << 2));
  }
  packColumnPanels(qkv + 2 * width, stride, t, d, values);

  const factor: f32 = <f32>1 / sqrt<f32>(<f32>d);
  for (let query = first; query < end; query += 8) {
    const valid = min(8, end - query);
    packTransposed(qkv + stride * <usize>query, stride, valid, d, factor, queries);
    for (let key = 0; key < t; key += ROWS) {
      multiplyTile(keys + (<usize>(key * d) << 2), queries, d, scores + (<usize>key << 5));
    }
    exponentials(scores, t, sums, scratch);
    for (let dim = 0; dim < d; dim += ROWS) {
      multiplyTile(values + (<usize>(dim * t) << 2), scores, t, outputs + (<usize>dim << 5));
    }
    unpackTransposed(outputs, sums, d, y + width * <usize>query, width, valid);
  }
}

/** scores [t][8] to exp(score - largest of the column), and the reciprocals of the columns' sums to `sums` [8]. */
function exponentials(scores: usize, t: i32, sums: usize, constants: usize): void {
  const end = scores + (<usize>t << 5);
  let mostLeft = v128.load(scores);
  let mostRight = v128.load(scores, 16);
  for (let row = scores + 32; row < end; row += 32) {
    mostLeft = f32x4.pmax(mostLeft, v128.load(row));
    mostRight = f32x4.pmax(mostRight, v128.load(row, 16));
  }
  let left = f32x4.splat(0);
  let right = f32x4.splat(0);
  for (let row = scores; row < end; row += 32) {
    const l = exp(f32x4.sub(v128.load(row), mostLeft), constants);
    const r = exp(f32x4.sub(v128.load(row, 16), mostRight), constants);
    v128.store(row, l);
    v128.store(row, r, 16);
    left = f32x4.add(left, l);
    right = f32x4.add(right, r);
  }
  v128.store(sums, f32x4.div(f32x4.splat(1), left));
  v128.store(sums, f32x4.div(f32x4.splat(1), right), 16);
}
