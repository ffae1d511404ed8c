import * as tf from '@tensorflow/tfjs-core';
import { type Forward, hasKernel, type Kept, runKernel, withGradient } from './dispatch.js';
import { ATTENTION, ATTENTION_GRADIENT } from './kernelNames.js';

/**
 * Multi-head scaled dot-product self-attention, softmax(q kᵀ / √d) v for every head (arXiv 1706.03762, 3.2).
 *
 * @param qkv float32 [B, T, 3D]: q, k and v side by side, within each the heads, d = D / numHeads wide
 * @returns float32 [B, T, D], heads side by side
 */
export function attention(qkv: tf.Tensor3D, numHeads: number): tf.Tensor3D {
  const compute = (): Forward<tf.Tensor3D> => {
    if (hasKernel(ATTENTION)) return { value: runKernel(ATTENTION, { qkv }, { numHeads }) };
    const heads = splitHeads(qkv, numHeads);
    const weights = scores(heads);
    const out = tf.matMul(weights, heads[2]) as tf.Tensor4D;
    return { value: mergeHeads(out), kept: { weights, out } };
  };
  return withGradient({ qkv }, compute, attentionGradient(numHeads));
}

/** The attention weights alone, softmax(q kᵀ / √d): float32 [B, numHeads, T, T]; each row adds up to 1. */
export function attentionWeights(qkv: tf.Tensor3D, numHeads: number): tf.Tensor4D {
  return tf.tidy(() => scores(splitHeads(qkv, numHeads)));
}

type Heads = [q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D];

function scores([q, k]: Heads): tf.Tensor4D {
  return tf.softmax(tf.matMul(scaled(q), k, false, true)) as tf.Tensor4D;
}

/** x / √d of x [..., d]. */
function scaled<T extends tf.Tensor>(x: T): T {
  return tf.mul(x, 1 / Math.sqrt(x.shape.at(-1) as number)) as T;
}

/** [B, T, 3D] → q, k and v, each [B, numHeads, T, d]. */
function splitHeads(qkv: tf.Tensor3D, numHeads: number): Heads {
  const [batch, tokens, width] = qkv.shape;
  const parts = tf.reshape(qkv, [batch, tokens, 3, numHeads, width / 3 / numHeads]);
  return tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4])) as Heads;
}

/** The inverse of splitHeads: three of [B, numHeads, T, d] → [B, T, 3D]. */
function joinHeads(heads: Heads): tf.Tensor3D {
  const [batch, numHeads, tokens, headDim] = heads[0].shape;
  const parts = tf.transpose(tf.stack(heads), [1, 3, 0, 2, 4]);
  return tf.reshape(parts, [batch, tokens, 3 * numHeads * headDim]);
}

/** [B, numHeads, T, d] → [B, T, D]. */
function mergeHeads(heads: tf.Tensor4D): tf.Tensor3D {
  const [batch, numHeads, tokens, headDim] = heads.shape;
  return tf.reshape(tf.transpose(heads, [0, 2, 1, 3]), [batch, tokens, numHeads * headDim]);
}

/** On a backend with the kernel named ATTENTION nothing is kept, and the weights are computed again. */
function attentionGradient(numHeads: number) {
  return (dy: tf.Tensor, inputs: Record<'qkv', tf.Tensor | undefined>, kept: Kept) => {
    const qkv = inputs.qkv as tf.Tensor3D;
    const [batch, tokens, dim] = dy.shape as [number, number, number];
    return {
      qkv: () => {
        if (hasKernel(ATTENTION_GRADIENT) && (dim / numHeads) % 4 === 0) {
          return runKernel<tf.Tensor>(ATTENTION_GRADIENT, { qkv, dy }, { numHeads });
        }
        const heads = splitHeads(qkv, numHeads);
        const [q, k, v] = heads;
        const dOut = tf.transpose(tf.reshape(dy, [batch, tokens, numHeads, dim / numHeads]), [0, 2, 1, 3]);
        const weights = kept.weights ?? scores(heads);
        const out = kept.out ?? tf.matMul(weights, v);
        // Σ weights · dWeights of a row, by the shorter sum Σ out · dOut (FlashAttention, arXiv 2205.14135, appendix B.4).
        const inner = tf.sum(tf.mul(dOut, out), -1, true);
        const dScores = tf.mul(weights, tf.sub(tf.matMul(dOut, v, false, true), inner));
        const dq = scaled(tf.matMul(dScores, k));
        const dk = tf.matMul(dScores, scaled(q), true, false);
        const dv = tf.matMul(weights, dOut, true, false);
        return joinHeads([dq, dk, dv] as Heads);
      },
    };
  };
}
