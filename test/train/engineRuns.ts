/** What the tests of training's engines share: models, a teacher that is not asked, and how far numbers are off. */
import type * as tf from '@tensorflow/tfjs-core';
import type { VitConfig } from '../../src/families/vit/config.js';
import { createModel } from '../../src/models/create.js';
import { setWeight } from '../../src/models/weights.js';
import { studentOf } from '../../src/train/student.js';
import { randomWeights } from '../engines/wasm/models.js';

/** Everything learns. */
export const ALL = { frozenBlocks: 0, attentionOnly: false };

/** Steps with accumulation, clipping and a running mean. */
export const MIXED_STEPS = {
  // A large epsilon: gradients that are zero but for rounding would move weights by their sign.
  optimizer: { clipGrad: 0.5, weightDecay: 0.3, eps: 0.01 },
  distillation: { type: 'soft', alpha: 0.3, tau: 3, teacher: 'given' },
  accumulate: 2,
  emaDecay: 0.8,
} as const;

/** A model with weights in which no part is without effect; those of wide matrices are smaller, as trained ones are. */
export function modelOf(config: VitConfig) {
  const scale = Math.min(1, Math.sqrt(36 / config.embedDim));
  const model = createModel(config, { seed: 1 });
  const weights = randomWeights(config);
  const student = studentOf(model, ALL);
  for (const [name, weight] of student.weights) {
    const values = weights.get(name)!;
    setWeight(weight, weight.shape.length > 1 ? values.map((value) => value * scale) : values);
  }
  return model;
}

export function teacherThatSays(logits: tf.Tensor2D) {
  const teacher = {
    name: 'given',
    numClasses: 5,
    imgSize: null,
    labels: undefined,
    normalization: undefined,
  };
  return { ...teacher, predict: () => logits, dispose: () => {} };
}

export const noSeed = () => {
  throw new Error('drop path is off');
};

type Numbers = Float32Array | readonly number[];

export function largestOf(values: Numbers): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** @param least the least that counts as the largest */
export function relativeOff(found: Float32Array, expected: Numbers, least = 0): number {
  let most = 0;
  for (const [i, value] of expected.entries()) most = Math.max(most, Math.abs(value - found[i]!));
  return most / Math.max(largestOf(expected), least);
}
