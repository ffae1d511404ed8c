/** The training engine: forward, backward and AdamW on shared memory of its own, on several threads. */
export { MOST_THREADS } from '../control.js';
export {
  createTrainingEngine,
  type GradientBatch,
  type TrainingEngine,
  type TrainingEngineOptions,
} from './engine.js';
export { Untrainable } from './record.js';
export type { TrainingForward } from './recording.js';
export type { BufferName } from './weightSpace.js';
