import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from './dispatch.js';
import { gelu, geluGrad } from './gelu.js';
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
  if (hasKernel(LINEAR)) {
    const inputs = { x, kernel, bias, scale, residual };
    return runKernel(LINEAR, inputs, { activation }, linearGradient(activation)) as T;
  }
  return tf.tidy(() => {
    let y: tf.Tensor = preActivation(x, kernel, bias);
    if (activation === 'gelu') y = gelu(y);
    if (scale) y = tf.mul(y, scale);
    y = tf.reshape(y, [...x.shape.slice(0, -1), kernel.shape[1]]);
    return (residual ? tf.add(y, residual) : y) as T;
  });
}

/** x · kernel + bias, its leading axes flattened into one. */
function preActivation(x: tf.Tensor, kernel: tf.Tensor2D, bias?: tf.Tensor1D): tf.Tensor2D {
  const rows = tf.reshape(x, [-1, kernel.shape[0]]) as tf.Tensor2D;
  if (hasKernel(LINEAR)) {
    const inputs: tf.NamedTensorMap = bias ? { x: rows, kernel, bias } : { x: rows, kernel };
    return tf.engine().runKernel(LINEAR, inputs, { activation: 'none' }) as tf.Tensor2D;
  }
  const y = tf.matMul(rows, kernel);
  return (bias ? tf.add(y, bias) : y) as tf.Tensor2D;
}

/** The gradient of the kernel named LINEAR; without that kernel tfjs derives it from the composed ops. */
function linearGradient(activation: 'none' | 'gelu') {
  return (dy: tf.Tensor, inputs: Record<string, tf.Tensor | undefined>) => {
    const x = inputs.x as tf.Tensor;
    const kernel = inputs.kernel as tf.Tensor2D;
    const { scale } = inputs;
    const dOut = tf.reshape(dy, [-1, kernel.shape[1]]) as tf.Tensor2D;
    const z =
      activation === 'gelu' || scale ? preActivation(x, kernel, inputs.bias as tf.Tensor1D) : undefined;
    const dActivated = (scale ? tf.mul(dOut, scale) : dOut) as tf.Tensor2D;
    const dz = activation === 'gelu' ? geluGrad(z as tf.Tensor2D, dActivated) : dActivated;
    return {
      x: () => tf.reshape(matrixProduct(dz as tf.Tensor2D, kernel, false, true), x.shape),
      kernel: () =>
        matrixProduct(tf.reshape(x, [-1, kernel.shape[0]]) as tf.Tensor2D, dz as tf.Tensor2D, true),
      bias: () => columnSums(dz as tf.Tensor2D),
      scale: () =>
        tf.sum(tf.mul(dOut, activation === 'gelu' ? gelu(z as tf.Tensor2D) : (z as tf.Tensor2D)), 0),
      residual: () => tf.clone(dy),
    };
  };
}
