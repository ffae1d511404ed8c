/**
 * AdamW and the running mean of the weights, over chunks of flat buffers: a chunk is the offset of its first float in
 * bytes, the number of its floats, a multiple of 4, and the rate at which its weights decay.
 */
import { sumLanes } from '../../../../kernels/wasm/assembly/simd';
import { Step } from './step';

const CHUNK_BYTES: usize = 16;

/** y [chunks] = the sums of squares of a's chunks, which p0 lists. */
export function squares(step: Step, first: i32, end: i32): void {
  for (let chunk = first; chunk < end; chunk++) {
    const entry = <usize>step.p0 + <usize>chunk * CHUNK_BYTES;
    const from = step.a + load<u32>(entry);
    const last = from + (<usize>load<i32>(entry, 4) << 2);
    let l = f32x4.splat(0);
    let r = f32x4.splat(0);
    let at = from;
    for (; at + 32 <= last; at += 32) {
      const a = v128.load(at);
      const b = v128.load(at, 16);
      l = f32x4.add(l, f32x4.mul(a, a));
      r = f32x4.add(r, f32x4.mul(b, b));
    }
    if (at < last) {
      const a = v128.load(at);
      l = f32x4.add(l, f32x4.mul(a, a));
    }
    store<f32>(step.y + (<usize>chunk << 2), sumLanes(f32x4.add(l, r)));
  }
}

// Of the numbers at p1, one float each.
const LEARNING_RATE: usize = 0;
const CLIP: usize = 4;
const BETA1: usize = 8;
const ONE_MINUS_BETA1: usize = 12;
const BETA2: usize = 16;
const ONE_MINUS_BETA2: usize = 20;
const MEAN_CORRECTION: usize = 24;
const SQUARE_CORRECTION: usize = 28;
const EPSILON: usize = 32;
const EMA_DECAY: usize = 36;
const ONE_MINUS_EMA_DECAY: usize = 40;

/**
 * The weights a, by their gradients b and the running means y of the gradients and z of their squares; the weights'
 * own running mean is the residual, unless it is 0. In the order of src/train/optimizer.
 */
export function adamW(step: Step, first: i32, end: i32): void {
  const numbers = <usize>step.p1;
  const learningRate = v128.load32_splat(numbers + LEARNING_RATE);
  const clip = v128.load32_splat(numbers + CLIP);
  const beta1 = v128.load32_splat(numbers + BETA1);
  const oneMinusBeta1 = v128.load32_splat(numbers + ONE_MINUS_BETA1);
  const beta2 = v128.load32_splat(numbers + BETA2);
  const oneMinusBeta2 = v128.load32_splat(numbers + ONE_MINUS_BETA2);
  const meanCorrection = v128.load32_splat(numbers + MEAN_CORRECTION);
  const squareCorrection = v128.load32_splat(numbers + SQUARE_CORRECTION);
  const epsilon = v128.load32_splat(numbers + EPSILON);
  const emaDecay = v128.load32_splat(numbers + EMA_DECAY);
  const oneMinusEmaDecay = v128.load32_splat(numbers + ONE_MINUS_EMA_DECAY);
  for (let chunk = first; chunk < end; chunk++) {
    const entry = <usize>step.p0 + <usize>chunk * CHUNK_BYTES;
    const rate = v128.load32_splat(entry, 8);
    const from = <usize>load<u32>(entry);
    const last = from + (<usize>load<i32>(entry, 4) << 2);
    for (let at = from; at < last; at += 16) {
      const weight = v128.load(step.a + at);
      const gradient = f32x4.mul(v128.load(step.b + at), clip);
      const mean = f32x4.add(f32x4.mul(v128.load(step.y + at), beta1), f32x4.mul(gradient, oneMinusBeta1));
      const square = f32x4.add(
        f32x4.mul(v128.load(step.z + at), beta2), f32x4.mul(f32x4.mul(gradient, gradient), oneMinusBeta2),
      );
      const root = f32x4.add(f32x4.div(f32x4.sqrt(square), squareCorrection), epsilon);
      const update = f32x4.add(f32x4.div(f32x4.div(mean, meanCorrection), root), f32x4.mul(weight, rate));
      const next = f32x4.sub(weight, f32x4.mul(update, learningRate));
      v128.store(step.y + at, mean);
      v128.store(step.z + at, square);
      v128.store(step.a + at, next);
      if (step.residual) {
        const average = f32x4.mul(v128.load(step.residual + at), emaDecay);
        v128.store(step.residual + at, f32x4.add(average, f32x4.mul(next, oneMinusEmaDecay)));
      }
    }
  }
}
