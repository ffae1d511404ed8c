import { take } from './workQueue';
import { sumLanes } from './simd';

/** Rows that a thread takes at a time. */
const CHUNK_ROWS: i32 = 16;

/**
 * y [m, d] = (x - mean) / sqrt(variance + epsilon) * gamma + beta, over each row of x [m, d].
 * @param queue of the threads that are called with the same arguments, each its own `thread` from 0 on
 */
export function layerNorm(
  x: usize, m: i32, d: i32, gamma: usize, beta: usize, epsilon: f32, y: usize, queue: usize, thread: i32,
): void {
  const chunks = (m + CHUNK_ROWS - 1) / CHUNK_ROWS;
  for (let chunk = take(queue, -1); chunk < chunks; chunk = take(queue, chunk)) {
    const row = chunk * CHUNK_ROWS;
    const offset = <usize>row * <usize>d << 2;
    normalizeRows(x + offset, min(CHUNK_ROWS, m - row), d, gamma, beta, epsilon, y + offset);
  }
}

export function normalizeRows(x: usize, m: i32, d: i32, gamma: usize, beta: usize, epsilon: f32, y: usize): void {
  const bytes = <usize>d << 2;
  const vectorBytes = (<usize>d & ~3) << 2;
  for (let row = 0; row < m; row++) {
    const mean = rowSum(x, bytes, vectorBytes, 0, false) / <f32>d;
    const variance = rowSum(x, bytes, vectorBytes, mean, true) / <f32>d;
    const factor: f32 = <f32>1 / sqrt<f32>(variance + epsilon);
    const means = f32x4.splat(mean);
    const factors = f32x4.splat(factor);
    let i: usize = 0;
    for (; i < vectorBytes; i += 16) {
      const normal = f32x4.mul(f32x4.sub(v128.load(x + i), means), factors);
      v128.store(y + i, f32x4.add(f32x4.mul(normal, v128.load(gamma + i)), v128.load(beta + i)));
    }
    for (; i < bytes; i += 4) {
      store<f32>(y + i, (load<f32>(x + i) - mean) * factor * load<f32>(gamma + i) + load<f32>(beta + i));
    }
    x += bytes;
    y += bytes;
  }
}

/** Σ (x - mean), or Σ (x - mean)² */
// @ts-ignore: decorator
@inline
function rowSum(x: usize, bytes: usize, vectorBytes: usize, mean: f32, squared: bool): f32 {
  const means = f32x4.splat(mean);
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 16 < vectorBytes; i += 32) {
    const a = f32x4.sub(v128.load(x + i), means);
    const b = f32x4.sub(v128.load(x + i, 16), means);
    even = f32x4.add(even, squared ? f32x4.mul(a, a) : a);
    odd = f32x4.add(odd, squared ? f32x4.mul(b, b) : b);
  }
  if (i < vectorBytes) {
    const a = f32x4.sub(v128.load(x + i), means);
    even = f32x4.add(even, squared ? f32x4.mul(a, a) : a);
    i += 16;
  }
  let sum = sumLanes(f32x4.add(even, odd));
  for (; i < bytes; i += 4) {
    const a = load<f32>(x + i) - mean;
    sum += squared ? a * a : a;
  }
  return sum;
}
