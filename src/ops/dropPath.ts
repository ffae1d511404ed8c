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
    const keep = 1 - rate;
    const shape = [x.shape[0] as number, ...x.shape.slice(1).map(() => 1)];
    const mask = tf.floor(tf.add(tf.randomUniform(shape, 0, 1, 'float32', seed), keep));
    return tf.mul(x, tf.div(mask, keep)) as T;
  });
}
