/**
 * The gradient of softmax(q kᵀ / √d) v, one head and one query at a time. The weights are computed again: training
 * then holds no [T, T] matrix of any head.
 */
import { CONSTANTS_BYTES, exp2, madd, storeConstants, sumLanes } from './simd';

const LOG2_E: f32 = 1.4426950408889634;

/** Bytes of scratch memory that `attentionGradient` needs: constants, and two rows of `t` numbers in whole vectors. */
export function attentionGradientScratchBytes(t: i32): usize {
  return CONSTANTS_BYTES + (rowBytes(t) << 1);
}

function rowBytes(t: i32): usize {
  return (<usize>t << 2) + 15 & ~15;
}

/**
 * @param qkv [b, t, 3, heads, d]; d is a multiple of 4
 * @param dy [b, t, heads, d]
 * @param dqkv [b, t, 3, heads, d]
 * @param scratch attentionGradientScratchBytes(t) bytes, at a multiple of 16
 */
export function attentionGradient(
  qkv: usize,
  dy: usize,
  b: i32,
  t: i32,
  heads: i32,
  d: i32,
  dqkv: usize,
  scratch: usize,
): void {
  const width = <usize>(heads * d) << 2;
  storeConstants(scratch);
  memory.fill(dqkv, 0, 3 * width * <usize>(b * t));
  for (let batch = 0; batch < b; batch++) {
    for (let head = 0; head < heads; head++) {
      const offset = <usize>(head * d) << 2;
      headGradient(qkv + offset, dy + offset, width, t, d, dqkv + offset, scratch);
    }
    qkv += 3 * width * <usize>t;
    dy += width * <usize>t;
    dqkv += 3 * width * <usize>t;
  }
}

/** One head. Rows of qkv and dqkv hold q, k and v, `width` bytes each; rows of dy are `width` bytes. */
function headGradient(qkv: usize, dy: usize, width: usize, t: i32, d: i32, dqkv: usize, scratch: usize): void {
  const stride: usize = 3 * width;
  const headBytes = <usize>d << 2;
  const factor: f32 = <f32>1 / sqrt<f32>(<f32>d);
  const weights = scratch + CONSTANTS_BYTES;
  const dWeights = weights + rowBytes(t);
  for (let row = 0; row < t; row++) {
    const query = qkv + stride * <usize>row;
    const dOut = dy + width * <usize>row;
    products(query, qkv + width, stride, t, headBytes, factor * LOG2_E, weights);
    products(dOut, qkv + 2 * width, stride, t, headBytes, 1, dWeights);
    const sum = exponentials(weights, t, scratch);
    const inner = dot(weights, dWeights, <usize>t << 2) / sum;
    spread(query, dOut, qkv + width, width, t, headBytes, <f32>1 / sum, inner, factor, weights, dWeights, dqkv, row);
  }
}

/** out [t] = factor · (rows · vector), rows `stride` bytes apart. */
function products(vector: usize, rows: usize, stride: usize, t: i32, bytes: usize, factor: f32, out: usize): void {
  for (let row = 0; row < t; row++) {
    let sum = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) sum = madd(v128.load(vector + i), v128.load(rows + i), sum);
    store<f32>(out + (<usize>row << 2), sumLanes(sum) * factor);
    rows += stride;
  }
}

/** scores [t] in powers of two to 2^(score - largest); gives their sum. */
function exponentials(scores: usize, t: i32, constants: usize): f32 {
  const end = scores + (<usize>t << 2);
  let most = load<f32>(scores);
  for (let at = scores + 4; at < end; at += 4) most = max(most, load<f32>(at));
  const mosts = f32x4.splat(most);
  // The last vector reaches past the row, into its padding.
  for (let at = scores; at < end; at += 16) v128.store(at, exp2(f32x4.sub(v128.load(at), mosts), constants));
  let sum: f32 = 0;
  for (let at = scores; at < end; at += 4) sum += load<f32>(at);
  return sum;
}

function dot(a: usize, b: usize, bytes: usize): f32 {
  let sum: f32 = 0;
  for (let i: usize = 0; i < bytes; i += 4) sum += load<f32>(a + i) * load<f32>(b + i);
  return sum;
}

/** Adds what one query's row of weights gives to the gradients of its q and of every k and v. */
function spread(
  query: usize,
  dOut: usize,
  keys: usize,
  width: usize,
  t: i32,
  bytes: usize,
  reciprocal: f32,
  inner: f32,
  factor: f32,
  weights: usize,
  dWeights: usize,
  dqkv: usize,
  row: i32,
): void {
  const stride: usize = 3 * width;
  const dQuery = dqkv + stride * <usize>row;
  let dKey = dqkv + width;
  for (let key: usize = 0; key < <usize>t << 2; key += 4) {
    const weight = load<f32>(weights + key) * reciprocal;
    const dScore = weight * (load<f32>(dWeights + key) - inner) * factor;
    const weightVector = f32x4.splat(weight);
    const dScoreVector = f32x4.splat(dScore);
    const dValue = dKey + width;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(dQuery + i, madd(dScoreVector, v128.load(keys + i), v128.load(dQuery + i)));
      v128.store(dKey + i, madd(dScoreVector, v128.load(query + i), v128.load(dKey + i)));
      v128.store(dValue + i, madd(weightVector, v128.load(dOut + i), v128.load(dValue + i)));
    }
    keys += stride;
    dKey += stride;
  }
}
