import * as tf from '@tensorflow/tfjs-core';
import type { ByWeight, GradientStep } from './types.js';

function mapUpdates(updates: ByWeight, change: (update: tf.Tensor, name: string) => tf.Tensor): ByWeight {
  return Object.fromEntries(Object.entries(updates).map(([name, update]) => [name, change(update, name)]));
}

/** Length of all updates taken as one vector: a scalar. */
export function globalNorm(updates: ByWeight): tf.Scalar {
  return tf.tidy(() => {
    const squares = Object.values(updates).map((update) => tf.sum(tf.square(update)));
    return tf.sqrt(tf.addN(squares)) as tf.Scalar;
  });
}

/** Scales the updates down to a global norm of at most `maxNorm` (torch.nn.utils.clip_grad_norm_). */
export function clipByGlobalNorm(maxNorm: number): GradientStep {
  return {
    slots: [],
    apply(updates) {
      // 1e-6 is PyTorch's guard against a norm of zero.
      const factor = tf.minimum(tf.div(maxNorm, tf.add(globalNorm(updates), 1e-6)), 1);
      return { updates: mapUpdates(updates, (update) => tf.mul(update, factor)) };
    },
  };
}

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

/** Divides a running mean of the gradient by the root of its running square (Adam, arXiv 1412.6980). */
export function scaleByAdam({ beta1, beta2, eps }: AdamOptions): GradientStep {
  return {
    slots: ['mean', 'square'],
    apply(gradients, { state, count }) {
      const meanCorrection = 1 - beta1 ** count;
      const squareCorrection = Math.sqrt(1 - beta2 ** count);
      const mean: ByWeight = { ...state.mean };
      const square: ByWeight = { ...state.square };
      const updates = mapUpdates(gradients, (gradient, name) => {
        mean[name] = tf.add(tf.mul(state.mean![name]!, beta1), tf.mul(gradient, 1 - beta1));
        square[name] = tf.add(tf.mul(state.square![name]!, beta2), tf.mul(tf.square(gradient), 1 - beta2));
        const root = tf.add(tf.div(tf.sqrt(square[name]), squareCorrection), eps);
        return tf.div(tf.div(mean[name], meanCorrection), root);
      });
      return { updates, state: { mean, square } };
    },
  };
}

/** Decoupled weight decay (AdamW, arXiv 1711.05101): adds `rate` · weight for the weights that decay. */
export function addDecayedWeights(rate: number, decays: (name: string) => boolean): GradientStep {
  return {
    slots: [],
    apply(updates, { weights }) {
      const add = (update: tf.Tensor, name: string) =>
        decays(name) ? tf.add(update, tf.mul(weights[name]!, rate)) : update;
      return { updates: mapUpdates(updates, add) };
    },
  };
}

/** The last link: −learning rate · update, to be added to the weights. */
export function scaleByLearningRate(): GradientStep {
  return {
    slots: [],
    apply: (updates, { learningRate }) => ({
      updates: mapUpdates(updates, (update) => tf.mul(update, -learningRate)),
    }),
  };
}
