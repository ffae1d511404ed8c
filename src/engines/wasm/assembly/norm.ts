/** Layer norm of rows, two vectors at a time. */
import { squareRoot, sumLanes } from '../../../kernels/wasm/assembly/simd';

/** Σx, then Σ(x - mean)², of [2][2 vectors]. */
const PARTS: usize = 32;
const ZEROS: usize = memory.data(64, 16);

/** Bytes of scratch memory for the functions of this file. */
export const NORM_BYTES: usize = PARTS;

/**
 * y = (x - mean) / √(variance + epsilon) · gamma + beta over d values; y may be x.
 * @param scratch NORM_BYTES bytes
 */
export function normalizeRow(
  x: usize, d: i32, gamma: usize, beta: usize, epsilon: f32, y: usize, scratch: usize,
): void {
  const mean = sumRow(x, d, 0, false, scratch) / <f32>d;
  const variance = sumRow(x, d, mean, true, scratch) / <f32>d;
  const factor: f32 = <f32>1 / squareRoot(variance + epsilon);
  const means = f32x4.splat(mean);
  const factors = f32x4.splat(factor);
  const pairs = <usize>(d >> 3) << 5;
  const bytes = <usize>d << 2;
  let i: usize = 0;
  for (; i < pairs; i += 32) {
    const l = f32x4.mul(f32x4.sub(v128.load(x + i), means), factors);
    const r = f32x4.mul(f32x4.sub(v128.load(x + i, 16), means), factors);
    const left = f32x4.add(f32x4.mul(l, v128.load(gamma + i)), v128.load(beta + i));
    const right = f32x4.add(f32x4.mul(r, v128.load(gamma + i, 16)), v128.load(beta + i, 16));
    v128.store(y + i, left);
    v128.store(y + i, right, 16);
  }
  for (; i < bytes; i += 4) {
    store<f32>(y + i, (load<f32>(x + i) - mean) * factor * load<f32>(gamma + i) + load<f32>(beta + i));
  }
}

/** Σ(x - mean), or Σ(x - mean)². The two sums are stored side by side: V8 joins what ends in a pair of stores. */
// @ts-ignore: decorator
@inline
function sumRow(x: usize, d: i32, mean: f32, squared: bool, scratch: usize): f32 {
  const means = f32x4.splat(mean);
  const pairs = <usize>(d >> 4) << 6;
  const bytes = <usize>d << 2;
  // Zeros that V8 takes for a pair; constants may end up in different blocks of code, and then are none.
  let even0 = v128.load(ZEROS);
  let even1 = v128.load(ZEROS, 16);
  let odd0 = v128.load(ZEROS, 32);
  let odd1 = v128.load(ZEROS, 48);
  let i: usize = 0;
  for (; i < pairs; i += 64) {
    const a = f32x4.sub(v128.load(x + i), means);
    const b = f32x4.sub(v128.load(x + i, 16), means);
    const c = f32x4.sub(v128.load(x + i, 32), means);
    const e = f32x4.sub(v128.load(x + i, 48), means);
    even0 = f32x4.add(even0, squared ? f32x4.mul(a, a) : a);
    even1 = f32x4.add(even1, squared ? f32x4.mul(b, b) : b);
    odd0 = f32x4.add(odd0, squared ? f32x4.mul(c, c) : c);
    odd1 = f32x4.add(odd1, squared ? f32x4.mul(e, e) : e);
  }
  v128.store(scratch, f32x4.add(even0, odd0));
  v128.store(scratch, f32x4.add(even1, odd1), 16);
  let sum = sumLanes(f32x4.add(v128.load(scratch), v128.load(scratch, 16)));
  for (; i < bytes; i += 4) {
    const a = load<f32>(x + i) - mean;
    sum += squared ? a * a : a;
  }
  return sum;
}
