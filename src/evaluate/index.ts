export {
  type Classes,
  type ClassMatch,
  classIndexReader,
  compareCodePoints,
  matchClasses,
} from './classIndices.js';
export {
  type Classifier,
  type EvaluateHooks,
  type EvaluationResult,
  evaluate,
  measure,
  type PredictBatchesOptions,
  type PredictedBatch,
  predictBatches,
} from './evaluate.js';
export { type Accuracy, Metrics } from './metrics.js';
export { crossEntropy, type ImagePrediction, predictionOf } from './prediction.js';
