import * as tf from '@tensorflow/tfjs-core';
import { type Forward, hasKernel, type Kept, runKernel, withGradient } from './dispatch.js';
import { gelu, geluGrad, normalCdf } from './gelu.js';
import { LINEAR } from './kernelNames.js';
import { columnSums, matrixProduct } from './matrixProduct.js';

export interface LinearOptions {
  /** [N]. */
  bias?: tf.Tensor1D;
  /** Applied to x · kernel + bias; `gelu` is the exact one. */
  activation?: 'none' | 'gelu';
  /** [N]: LayerScale's gamma, multiplied after the activation. */
  scale?: tf.Tensor1D;
  /** [..., N]: added last. */
  residual?: tf.Tensor;
}

/**
 * activation(x · kernel + bias) * scale + residual.
 *
 * @param x float32 [..., K]
 * @param kernel float32 [K, N]
 * @returns float32 [..., N]
 */
export function linear<T extends tf.Tensor>(x: T, kernel: tf.Tensor2D, options: LinearOptions = {}): T {
  const { bias, activation = 'none', scale, residual } = options;
  const inputs = { x, kernel, bias, scale, residual };
  const compute = (): Forward<T> =>
    hasKernel(LINEAR) ? { value: runKernel(LINEAR, inputs, { activation }) } : composed(inputs, activation);
  return withGradient(inputs, compute, linearGradient(activation));
}

type Inputs = Record<'x' | 'kernel' | 'bias' | 'scale' | 'residual', tf.Tensor | undefined>;

function composed<T extends tf.Tensor>(inputs: Inputs, activation: 'none' | 'gelu'): Forward<T> {
  const { scale, residual } = inputs;
  const x = inputs.x as tf.Tensor;
  const kernel = inputs.kernel as tf.Tensor2D;
  const z = preActivation(x, kernel, inputs.bias as tf.Tensor1D | undefined);
  const cdf = activation === 'gelu' ? normalCdf(z) : undefined;
  const activated = cdf ? tf.mul(z, cdf) : z;
  const scaled = scale ? tf.mul(activated, scale) : activated;
  const y = tf.reshape(scaled, [...x.shape.slice(0, -1), kernel.shape[1]]);
  const value = (residual ? tf.add(y, residual) : y) as T;
  return { value, kept: { z: cdf && z, cdf, activated: scale && activated } };
}

/** x · kernel + bias, its leading axes flattened into one. */
function preActivation(x: tf.Tensor, kernel: tf.Tensor2D, bias?: tf.Tensor1D): tf.Tensor2D {
  const rows = tf.reshape(x, [-1, kernel.shape[0]]) as tf.Tensor2D;
  if (hasKernel(LINEAR)) return runKernel(LINEAR, { x: rows, kernel, bias }, { activation: 'none' });
  const y = tf.matMul(rows, kernel);
  return (bias ? tf.add(y, bias) : y) as tf.Tensor2D;
}

function linearGradient(activation: 'none' | 'gelu') {
  return (dy: tf.Tensor, inputs: Inputs, kept: Kept) => {
    const x = inputs.x as tf.Tensor;
    const kernel = inputs.kernel as tf.Tensor2D;
    const { bias, scale } = inputs;
    const dOut = tf.reshape(dy, [-1, kernel.shape[1]]) as tf.Tensor2D;
    const needsZ = activation === 'gelu' || (scale && !kept.activated);
    const z = needsZ ? (kept.z ?? preActivation(x, kernel, bias as tf.Tensor1D)) : undefined;
    const dActivated = scale ? tf.mul(dOut, scale) : dOut;
    const dz = (activation === 'gelu' ? geluGrad(z!, dActivated, kept.cdf) : dActivated) as tf.Tensor2D;
    const activated = () => kept.activated ?? (activation === 'gelu' ? gelu(z!) : z!);
    return {
      x: () => tf.reshape(matrixProduct(dz, kernel, false, true), x.shape),
      kernel: () => matrixProduct(tf.reshape(x, [-1, kernel.shape[0]]) as tf.Tensor2D, dz, true),
      bias: () => columnSums(dz),
      scale: () => tf.sum(tf.mul(dOut, activated()), 0),
      residual: () => tf.clone(dy),
    };
  };
}
