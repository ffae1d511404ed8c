import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from './dispatch.js';
import { ATTENTION, ATTENTION_GRADIENT } from './kernelNames.js';

/**
 * Multi-head scaled dot-product self-attention, softmax(q kᵀ / √d) v for every head (arXiv 1706.03762, 3.2).
 *
 * @param qkv float32 [B, T, 3D]: q, k and v side by side, within each the heads, d = D / numHeads wide
 * @returns float32 [B, T, D], heads side by side
 */
export function attention(qkv: tf.Tensor3D, numHeads: number): tf.Tensor3D {
  if (hasKernel(ATTENTION)) {
    return runKernel(ATTENTION, { qkv }, { numHeads }, attentionGradient(numHeads)) as tf.Tensor3D;
  }
  return tf.tidy(() => {
    const [q, k, v] = splitHeads(qkv, numHeads);
    return mergeHeads(tf.matMul(scores(q, k), v));
  });
}

/** The attention weights alone, softmax(q kᵀ / √d): float32 [B, numHeads, T, T]; each row adds up to 1. */
export function attentionWeights(qkv: tf.Tensor3D, numHeads: number): tf.Tensor4D {
  return tf.tidy(() => {
    const [q, k] = splitHeads(qkv, numHeads);
    return scores(q, k);
  });
}

function scores(q: tf.Tensor4D, k: tf.Tensor4D): tf.Tensor4D {
  const scale = 1 / Math.sqrt(q.shape[3]);
  return tf.softmax(tf.matMul(tf.mul(q, scale), k, false, true)) as tf.Tensor4D;
}

/** [B, T, 3D] → q, k and v, each [B, numHeads, T, d]. */
function splitHeads(qkv: tf.Tensor3D, numHeads: number): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] {
  const [batch, tokens, width] = qkv.shape;
  const dim = width / 3;
  const part = (i: number) => {
    const heads = tf.reshape(tf.slice(qkv, [0, 0, i * dim], [batch, tokens, dim]), [
      batch,
      tokens,
      numHeads,
      dim / numHeads,
    ]);
    return tf.transpose(heads, [0, 2, 1, 3]) as tf.Tensor4D;
  };
  return [part(0), part(1), part(2)];
}

/** [B, numHeads, T, d] → [B, T, D]. */
function mergeHeads(heads: tf.Tensor4D): tf.Tensor3D {
  const [batch, numHeads, tokens, headDim] = heads.shape;
  return tf.reshape(tf.transpose(heads, [0, 2, 1, 3]), [batch, tokens, numHeads * headDim]);
}

/** The gradient of the kernel named ATTENTION: the weights are computed again rather than kept. */
function attentionGradient(numHeads: number) {
  return (dy: tf.Tensor, inputs: Record<string, tf.Tensor | undefined>) => {
    const qkv = inputs.qkv as tf.Tensor3D;
    return {
      qkv: () => {
        if (hasKernel(ATTENTION_GRADIENT) && (dy.shape[2]! / numHeads) % 4 === 0) {
          return tf.engine().runKernel(ATTENTION_GRADIENT, { qkv, dy }, { numHeads }) as tf.Tensor;
        }
        const [q, k, v] = splitHeads(qkv, numHeads);
        const [batch, tokens, dim] = dy.shape as [number, number, number];
        const headDim = dim / numHeads;
        const dOut = tf.transpose(tf.reshape(dy, [batch, tokens, numHeads, headDim]), [0, 2, 1, 3]);
        const weights = scores(q, k);
        const dWeights = tf.matMul(dOut, v, false, true);
        const inner = tf.sum(tf.mul(dWeights, weights), -1, true);
        const dScores = tf.mul(tf.mul(weights, tf.sub(dWeights, inner)), 1 / Math.sqrt(headDim));
        const dq = tf.matMul(dScores, k);
        const dk = tf.matMul(dScores, q, true, false);
        const dv = tf.matMul(weights, dOut, true, false);
        return tf.concat(
          [dq, dk, dv].map((t) => mergeHeads(t as tf.Tensor4D)),
          2,
        );
      },
    };
  };
}
