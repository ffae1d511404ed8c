import * as tf from '@tensorflow/tfjs-core';
import { hadamardSize } from './hadamardSize.js';
import { type LinearOptions, linear } from './linear.js';

/** A quantized linear layer: its matrix is rotationOf(K) · codes · diag(scale) (see src/models/quantize.ts). */
export interface QuantizedMatrix {
  /** Whole numbers from -127 to 127, float32 [K, N]. */
  codes: tf.Tensor2D;
  /** float32 [N]. */
  scale: tf.Tensor1D;
  /** float32 [N]. */
  bias?: tf.Tensor1D;
}

/**
 * As `linear`, with a quantized matrix, in float32: what every backend can do. On WASM whole blocks run in 8-bit
 * arithmetic instead (quantizedBlock).
 */
export function quantizedLinear<T extends tf.Tensor>(
  x: T,
  { codes, scale }: QuantizedMatrix,
  options: LinearOptions,
): T {
  return tf.tidy(() => linear(hadamard(x), tf.mul(codes, scale) as tf.Tensor2D, options));
}

/**
 * x H for float32 [..., K]: values K / n apart are combined by the Hadamard matrix of n = hadamardSize(K) points, not
 * normalised.
 */
function hadamard<T extends tf.Tensor>(x: T): T {
  const k = x.shape.at(-1)!;
  const size = hadamardSize(k);
  if (size === 1) return x;
  return tf.tidy(() => {
    const columns = tf.reshape(x, [-1, size, k / size]);
    const hadamard = tf.tile(tf.reshape(hadamardMatrix(size), [1, size, size]), [columns.shape[0], 1, 1]);
    return tf.reshape(tf.matMul(hadamard, columns), x.shape) as T;
  });
}

/** Entry (i, j) is -1 to the number of ones that i and j share in binary. */
function hadamardMatrix(size: number): tf.Tensor2D {
  const values = Float32Array.from({ length: size * size }, (_, at) => {
    let shared = Math.floor(at / size) & (at % size);
    let sign = 1;
    for (; shared > 0; shared &= shared - 1) sign = -sign;
    return sign;
  });
  return tf.tensor2d(values, [size, size]);
}
