import * as tf from '@tensorflow/tfjs-core';
import { type Distillation, distillationLoss } from './loss.js';
import type { ByWeight, GradientStep, OptimizerState } from './optimizer/index.js';
import type { Student } from './student.js';

/** What one forward and backward pass takes. */
export interface TrainingBatch {
  /** float32 [B, H, W, C], normalised and augmented. */
  readonly images: tf.Tensor4D;
  /** float32 [B, classes], each row a distribution. */
  readonly targets: tf.Tensor2D;
  /** float32 [B, classes]; needed unless distillation is `none`. */
  readonly teacherLogits?: tf.Tensor2D;
}

/** Losses as tensors, read only when they are needed: reading makes a GPU wait. */
export interface Gradients {
  readonly total: tf.Scalar;
  readonly base: tf.Scalar;
  readonly teacher: tf.Scalar | undefined;
  readonly logits: tf.Tensor2D;
  /** Weights that the loss does not reach have none. */
  readonly byWeight: ByWeight;
}

/**
 * Loss and gradients of a batch. All tensors given back are the caller's to dispose (disposeGradients).
 *
 * @param seed gives the seeds of drop path's masks
 */
export function computeGradients(
  student: Student,
  batch: TrainingBatch,
  distillation: Distillation,
  seed: () => number,
): Gradients {
  const variables = student.trainable.map((name) => student.weights.get(name)!.read() as tf.Variable);
  let parts: { base: tf.Scalar; teacher: tf.Scalar | undefined; logits: tf.Tensor2D } | undefined;
  const forward = () => {
    const logits = student.forward(batch.images, seed);
    const loss = distillationLoss(logits, batch.targets, batch.teacherLogits, distillation);
    parts = {
      // Clones: the total may be the base itself, and each is disposed once.
      base: tf.keep(tf.clone(loss.base)),
      teacher: loss.teacher && tf.keep(tf.clone(loss.teacher)),
      logits: tf.keep(tf.clone(logits.head)),
    };
    return loss.total;
  };
  const { value, grads } = student.onBackend(() => tf.variableGrads(forward, variables));
  const byWeight: ByWeight = {};
  for (const [i, name] of student.trainable.entries()) {
    const gradient = grads[variables[i]!.name];
    if (gradient) byWeight[name] = gradient;
  }
  return { total: value, ...parts!, byWeight };
}

export function disposeGradients(gradients: Gradients): void {
  const { total, base, teacher, logits, byWeight } = gradients;
  tf.dispose([total, base, logits, ...(teacher ? [teacher] : []), ...Object.values(byWeight)]);
}

/** Slots of zeros for the weights that learn. */
export function initialState(optimizer: GradientStep, student: Student): OptimizerState {
  const zeros = () =>
    Object.fromEntries(
      student.trainable.map((name) => [name, tf.zerosLike(student.weights.get(name)!.read())]),
    );
  return student.onBackend(() => Object.fromEntries(optimizer.slots.map((slot) => [slot, zeros()])));
}

/** Applies an optimiser's update to the weights; gives the new state and frees the old one. */
export function applyGradients(
  student: Student,
  optimizer: GradientStep,
  gradients: ByWeight,
  at: { state: OptimizerState; count: number; learningRate: number },
): OptimizerState {
  const update = () => {
    const weights = Object.fromEntries(
      Object.keys(gradients).map((name) => [name, student.weights.get(name)!.read()]),
    );
    const result = optimizer.apply(gradients, { weights, ...at });
    for (const [name, change] of Object.entries(result.updates)) {
      student.weights.get(name)!.write(tf.add(weights[name]!, change));
    }
    return result.state ?? {};
  };
  const state = student.onBackend(() => tf.tidy(update));
  freeReplaced(at.state, state);
  return state;
}

function freeReplaced(old: OptimizerState, fresh: OptimizerState): void {
  for (const [slot, tensors] of Object.entries(old)) {
    for (const [name, tensor] of Object.entries(tensors)) {
      if (fresh[slot]?.[name] !== tensor) tensor.dispose();
    }
  }
}
