import * as tf from '@tensorflow/tfjs-core';

/**
 * Stochastic depth (arXiv 1603.09382), as timm's drop_path: each sample of the batch is zeroed with probability
 * `rate`, the others are divided by 1 − rate.
 *
 * @param x float32 [B, ...]
 * @param rate 0 ≤ rate < 1
 */
export function dropPath<T extends tf.Tensor>(x: T, rate: number, seed?: number): T {
  if (rate === 0) return x;
  return tf.tidy(() => {
    const shape = [x.shape[0] as number, ...x.shape.slice(1).map(() => 1)];
    return tf.mul(x, tf.tensor(dropPathFactors(shape[0]!, rate, seed), shape)) as T;
  });
}

/**
 * What dropPath multiplies each sample by: 0, or 1 / (1 − rate); float32 [B]. In the numbers of float32 that every backend
 * computes with.
 */
export function dropPathFactors(batch: number, rate: number, seed?: number): Float32Array {
  const keep = Math.fround(1 - rate);
  const drawn = tf.tidy(() => tf.randomUniform([batch], 0, 1, 'float32', seed).dataSync<'float32'>());
  return Float32Array.from(drawn, (number) => Math.floor(Math.fround(number + keep)) / keep);
}
