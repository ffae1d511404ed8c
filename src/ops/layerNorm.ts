import * as tf from '@tensorflow/tfjs-core';
import { type Forward, hasKernel, type Kept, runKernel, withGradient } from './dispatch.js';
import { LAYER_NORM } from './kernelNames.js';
import { columnSums } from './matrixProduct.js';

/**
 * Layer normalisation over the last axis (arXiv 1607.06450): gamma · (x − mean) / √(variance + epsilon) + beta,
 * with the biased variance, as torch.nn.LayerNorm.
 *
 * @param x float32 [..., D]
 * @param gamma float32 [D]
 * @param beta float32 [D]
 * @returns float32, the shape of x
 */
export function layerNorm<T extends tf.Tensor>(
  x: T,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
): T {
  const inputs = { x, gamma, beta };
  const compute = (): Forward<T> => {
    if (hasKernel(LAYER_NORM)) return { value: runKernel(LAYER_NORM, inputs, { epsilon }) };
    const kept = normalize(x, epsilon);
    return { value: tf.add(tf.mul(kept.normalized, gamma), beta) as T, kept };
  };
  return withGradient(inputs, compute, layerNormGradient(epsilon));
}

type Normalized = { normalized: tf.Tensor; invStd: tf.Tensor };

function normalize(x: tf.Tensor, epsilon: number): Normalized {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const invStd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
  return { normalized: tf.mul(centred, invStd), invStd };
}

function layerNormGradient(epsilon: number) {
  return (dy: tf.Tensor, inputs: Record<'x' | 'gamma' | 'beta', tf.Tensor | undefined>, kept: Kept) => {
    const { x, gamma } = inputs as Record<'x' | 'gamma', tf.Tensor>;
    const { normalized, invStd } = kept.normalized ? (kept as Normalized) : normalize(x, epsilon);
    const rows = (t: tf.Tensor) => tf.reshape(t, [-1, gamma.shape[0] as number]) as tf.Tensor2D;
    return {
      x: () => {
        const g = tf.mul(dy, gamma);
        const projection = tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true));
        return tf.mul(invStd, tf.sub(tf.sub(g, tf.mean(g, -1, true)), projection));
      },
      gamma: () => columnSums(rows(tf.mul(dy, normalized))),
      beta: () => columnSums(rows(dy)),
    };
  };
}
