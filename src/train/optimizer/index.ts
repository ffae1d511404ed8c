export { type AdamWOptions, adamW } from './adamw.js';
export { chain } from './chain.js';
export {
  addDecayedWeights,
  clipByGlobalNorm,
  globalNorm,
  scaleByAdam,
  scaleByLearningRate,
} from './steps.js';
export type { ByWeight, GradientStep, OptimizerState, StepContext } from './types.js';
