import type { BufferName, TrainingEngine } from '../engines/wasm/training/index.js';
import type { Student } from './student.js';

/** A training engine as a Trainer uses it, wherever it computes: on WASM, or on a GPU. */
export interface StepEngine extends Omit<TrainingEngine, 'read' | 'running'> {
  /** The weights that a backward pass moves on by itself: running statistics of batch norms. */
  readonly running?: ReadonlySet<string>;
  /** A copy of what a buffer holds of a weight, float32 in tfjs' layout. */
  read(buffer: BufferName, name: string): Float32Array | Promise<Float32Array>;
  /** How the student's own weights and the engine's come to each other where neither is read; else they are read. */
  readonly exchange?: WeightExchange;
}

export interface WeightExchange {
  /** The engine's weights become the student's. */
  take(student: Student): void;
  /** The student's weights that learn become the engine's. */
  give(student: Student): void;
}
