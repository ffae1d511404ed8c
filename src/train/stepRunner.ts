import type { Classifier } from '../evaluate/evaluate.js';
import type { Teacher } from './teacher.js';

/** One of the batches of a step. */
export interface StepBatch {
  /** float32 [count, H, W, C], normalised and augmented. */
  readonly pixels: Float32Array;
  /** float32 [count, classes], each row a distribution. */
  readonly targets: Float32Array;
  readonly count: number;
  /** Sees the same images; undefined without distillation. */
  readonly teacher: Teacher | undefined;
  /** Gives the seeds of drop path's masks, one a call. */
  readonly dropPathSeed: () => number;
}

/** Means over a batch. */
export interface Losses {
  readonly loss: number;
  readonly base: number;
  readonly teacher: number | undefined;
}

/** A tensor that a run changes. */
export interface HeldTensor {
  /** `weights/NAME`, `optimizer/SLOT/NAME`, `ema/NAME`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** A copy of its values. */
  read(): Promise<Float32Array>;
}

/** What computes the steps of a run, and holds what they change: weights, the optimiser's means, the running mean. */
export interface StepRunner {
  /** Loss of a batch; its gradients are added to those of the step. */
  add(batch: StepBatch): Promise<Losses>;
  /** Norm of the step's gradients, the mean over its batches. */
  gradientNorm(): Promise<number>;
  /** Ends a step: updates the weights and their running mean. `count` is 1 for the first. */
  update(at: { count: number; learningRate: number }): Promise<void>;
  /** Gives up a step: nothing of it is kept. */
  drop(): void;
  /** Answers with the weights as they are. */
  readonly classifier: Omit<Classifier, 'config'>;
  /** Brings the student's own weights up to date. */
  writeWeights(): void;
  /** Puts the running mean in the weights' place while `run` works, and the weights back after it. */
  withEma<T>(run: () => Promise<T>): Promise<T>;
  tensors(): Iterable<HeldTensor>;
  /** Replaces the values of all tensors. */
  restore(read: (name: string) => Float32Array): void;
  dispose(): void;
}
