import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from './dispatch.js';
import { LINEAR } from './kernelNames.js';

/**
 * a · b of matrices that may have to be transposed first, for gradients: it has none itself. tf.matMul on the WASM
 * backend multiplies transposed matrices one number at a time, which is ten times slower than the kernel.
 */
export function matrixProduct(
  a: tf.Tensor2D,
  b: tf.Tensor2D,
  transposeA = false,
  transposeB = false,
): tf.Tensor2D {
  if (!hasKernel(LINEAR)) return tf.matMul(a, b, transposeA, transposeB);
  return tf.tidy(() => {
    const x = transposeA ? tf.transpose(a) : a;
    const kernel = transposeB ? tf.transpose(b) : b;
    return runKernel<tf.Tensor2D>(LINEAR, { x, kernel }, { activation: 'none' });
  });
}

/** The sums of a matrix's columns, float32 [N]: as a product, since tf.sum along columns transposes them first. */
export function columnSums(matrix: tf.Tensor2D): tf.Tensor1D {
  if (!hasKernel(LINEAR)) return tf.sum(matrix, 0) as tf.Tensor1D;
  return tf.tidy(() => tf.reshape(matrixProduct(tf.ones([1, matrix.shape[0]]), matrix), [-1]) as tf.Tensor1D);
}
