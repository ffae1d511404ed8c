export { type ClassMatch, compareCodePoints, matchClasses } from './classIndices.js';
export {
  type EvaluateHooks,
  type EvaluationResult,
  evaluate,
  type LabelledPicture,
  type PreparedBatch,
  type ScoredBatch,
  scoreBatches,
} from './evaluate.js';
export { crossEntropy, type PicturePrediction } from './metrics.js';
