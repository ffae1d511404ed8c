import { chain } from './chain.js';
import {
  type AdamOptions,
  addDecayedWeights,
  clipByGlobalNorm,
  scaleByAdam,
  scaleByLearningRate,
} from './steps.js';
import type { GradientStep } from './types.js';

export interface AdamWOptions extends AdamOptions {
  readonly weightDecay: number;
  /** Largest global norm of the gradients, or null for no clipping. */
  readonly clipGrad: number | null;
}

/**
 * AdamW as torch.optim.AdamW: gradients clipped, scaled by Adam, decayed weights added, all times −learning rate.
 *
 * @param decays whether weight decay acts on a weight: the `decays` column of the model's table
 */
export function adamW(
  { weightDecay, clipGrad, ...adam }: AdamWOptions,
  decays: (name: string) => boolean,
): GradientStep {
  const clip = clipGrad === null ? [] : [clipByGlobalNorm(clipGrad)];
  return chain(...clip, scaleByAdam(adam), addDecayedWeights(weightDecay, decays), scaleByLearningRate());
}
