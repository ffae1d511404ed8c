import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { type LinearOptions, linear, type QuantizedMatrix, quantizedLinear } from '../ops/index.js';
import { normal02, ones, zeros } from './initializers.js';

export interface MatrixArgs {
  /** `int8`: the matrices are 8-bit codes with a scale for each column, and not trained. */
  quantization?: 'int8';
}

/** The weights of a linear layer inside a layer; `scale` only if it is quantized. */
export interface Matrix {
  kernel: tfl.LayerVariable;
  scale?: tfl.LayerVariable;
  bias?: tfl.LayerVariable;
}

type AddWeight = (
  name: string,
  shape: tfl.Shape,
  dtype: tf.DataType,
  initializer: ReturnType<typeof zeros>,
  regularizer?: undefined,
  trainable?: boolean,
) => tfl.LayerVariable;

/** Gives a function that adds a matrix of a name and shape to a layer, by the layer's own addWeight. */
export function addMatrix(addWeight: AddWeight, quantization: MatrixArgs['quantization']) {
  return (name: string, shape: [number, number]): Matrix => {
    if (!quantization) return { kernel: addWeight(`${name}.kernel`, shape, 'float32', normal02()) };
    return {
      kernel: addWeight(`${name}.kernel`, shape, 'float32', zeros(), undefined, false),
      scale: addWeight(`${name}.scale`, [shape[1]], 'float32', ones(), undefined, false),
    };
  };
}

/** activation(x · matrix + bias) * scale + residual. */
export function multiply<T extends tf.Tensor>(
  x: T,
  matrix: Matrix,
  options: Omit<LinearOptions, 'bias'> = {},
): T {
  const bias = matrix.bias?.read() as tf.Tensor1D | undefined;
  if (matrix.scale) return quantizedLinear(x, operands(matrix), { ...options, bias });
  return linear(x, matrix.kernel.read() as tf.Tensor2D, { ...options, bias });
}

/** The tensors of a quantized matrix. */
export function operands({ kernel, scale, bias }: Matrix): QuantizedMatrix {
  return {
    codes: kernel.read() as tf.Tensor2D,
    scale: scale!.read() as tf.Tensor1D,
    bias: bias?.read() as tf.Tensor1D | undefined,
  };
}
