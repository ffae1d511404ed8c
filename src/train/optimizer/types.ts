import type * as tf from '@tensorflow/tfjs-core';

/** Tensors by the name of the weight that they belong to. */
export type ByWeight = Record<string, tf.Tensor>;

/** What an optimiser remembers: for each slot, e.g. `mean`, a tensor a weight. */
export type OptimizerState = Record<string, ByWeight>;

/** What a step may look at. */
export interface StepContext {
  readonly weights: Readonly<ByWeight>;
  readonly state: OptimizerState;
  /** 1 for the first update. */
  readonly count: number;
  readonly learningRate: number;
}

/**
 * One link of an optimiser: takes updates (at first the gradients), gives updates. It changes nothing: a new state
 * is handed back. Run inside tf.tidy.
 */
export interface GradientStep {
  /** Names of the slots that it keeps, each starting from zeros. */
  readonly slots: readonly string[];
  apply(updates: ByWeight, context: StepContext): { updates: ByWeight; state?: OptimizerState };
}
