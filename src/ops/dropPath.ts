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
    return tf.mul(x, tf.reshape(dropPathFactors(shape[0]!, rate, seed), shape)) as T;
  });
}

/** What dropPath multiplies each sample by: 0, or 1 / (1 − rate); float32 [B]. */
export function dropPathFactors(batch: number, rate: number, seed?: number): tf.Tensor1D {
  return tf.tidy(() => {
    const keep = 1 - rate;
    const mask = tf.floor(tf.add(tf.randomUniform([batch], 0, 1, 'float32', seed), keep));
    return tf.div(mask, keep) as tf.Tensor1D;
  });
}
