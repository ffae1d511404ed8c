export {
  type Classes,
  type ClassMatch,
  classIndexReader,
  compareCodePoints,
  matchClasses,
} from './classIndices.js';
export {
  type EvaluateHooks,
  type EvaluationResult,
  evaluate,
  type LabelledPicture,
  type PictureModel,
  type PreparedBatch,
  type ScoredBatch,
  scoreBatches,
} from './evaluate.js';
export { crossEntropy, type PicturePrediction, predictionOf } from './metrics.js';
export { type Accuracy, Scores } from './scores.js';
