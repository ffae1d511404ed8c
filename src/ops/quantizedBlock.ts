import * as tf from '@tensorflow/tfjs-core';
import { hasKernel } from './dispatch.js';
import { QUANTIZED_BLOCK } from './kernelNames.js';
import type { QuantizedMatrix } from './quantizedLinear.js';

interface Norm {
  gamma: tf.Tensor1D;
  beta: tf.Tensor1D;
}

/** The weights of a transformer block with quantized matrices; D is the width of a token. */
export interface QuantizedBlockWeights {
  norm1: Norm;
  /** [D, 3D] */
  qkv: QuantizedMatrix;
  /** [D, D] */
  proj: QuantizedMatrix;
  /** LayerScale of the attention branch, [D]. */
  scale1?: tf.Tensor1D;
  norm2: Norm;
  /** [D, hidden] */
  fc1: QuantizedMatrix;
  /** [hidden, D] */
  fc2: QuantizedMatrix;
  /** LayerScale of the MLP branch, [D]. */
  scale2?: tf.Tensor1D;
}

export interface QuantizedBlockAttrs {
  numHeads: number;
  /** Of the layer norms. */
  epsilon: number;
  /** How many of the first tokens are computed with 11-bit activations. */
  prefixTokens: number;
}

/** Whether the current backend multiplies 8-bit codes. */
export function hasQuantizedBlock(): boolean {
  return hasKernel(QUANTIZED_BLOCK);
}

/**
 * A pre-norm transformer block whose linear layers multiply 8-bit weights with 7-bit activations, each token with a
 * scale of its own. No gradient. Only where hasQuantizedBlock().
 *
 * @param x float32 [B, T, D]
 * @returns float32 [B, T, D]
 */
export function quantizedBlock(
  x: tf.Tensor3D,
  weights: QuantizedBlockWeights,
  attrs: QuantizedBlockAttrs,
): tf.Tensor3D {
  const inputs: Record<string, tf.Tensor | undefined> = { x, scale1: weights.scale1, scale2: weights.scale2 };
  for (const norm of ['norm1', 'norm2'] as const) {
    inputs[`${norm}Gamma`] = weights[norm].gamma;
    inputs[`${norm}Beta`] = weights[norm].beta;
  }
  for (const matrix of ['qkv', 'proj', 'fc1', 'fc2'] as const) {
    inputs[`${matrix}Codes`] = weights[matrix].codes;
    inputs[`${matrix}Scale`] = weights[matrix].scale;
    inputs[`${matrix}Bias`] = weights[matrix].bias;
  }
  const given = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor));
  return tf
    .engine()
    .runKernel(QUANTIZED_BLOCK, given as tf.NamedTensorMap, { ...attrs }) as unknown as tf.Tensor3D;
}
