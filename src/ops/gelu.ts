import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from './dispatch.js';
import { GELU_GRADIENT } from './kernelNames.js';

const SQRT_HALF = Math.SQRT1_2;
const LOG_SQRT_2PI = Math.log(2 * Math.PI) / 2;

/** Gaussian error linear unit, the exact one: x · Φ(x) with Φ by erf (arXiv 1606.08415). Any shape, float32. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(x, normalCdf(x)) as T);
}

/**
 * dy · d gelu(x) / dx = dy · (Φ(x) + x φ(x)). It has no gradient itself.
 *
 * @param cdf Φ(x), where it is known
 */
export function geluGrad<T extends tf.Tensor>(x: T, dy: T, cdf?: tf.Tensor): T {
  if (hasKernel(GELU_GRADIENT)) return runKernel(GELU_GRADIENT, { x, dy }, {});
  return tf.tidy(() => {
    const density = tf.exp(tf.sub(tf.mul(tf.square(x), -0.5), LOG_SQRT_2PI));
    return tf.mul(dy, tf.add(cdf ?? normalCdf(x), tf.mul(x, density))) as T;
  });
}

/** Φ(x), the cumulative distribution of the standard normal one. */
export function normalCdf(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, SQRT_HALF)), 1), 0.5);
}
