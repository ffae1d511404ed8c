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
 */
export function adamW({ weightDecay, clipGrad, ...adam }: AdamWOptions): GradientStep {
  const clip = clipGrad === null ? [] : [clipByGlobalNorm(clipGrad)];
  return chain(...clip, scaleByAdam(adam), addDecayedWeights(weightDecay, decays), scaleByLearningRate());
}

const NEVER_DECAYED = ['pos_embed', 'cls_token', 'dist_token'];

/**
 * Whether weight decay acts on a weight: not on the model's no_weight_decay list (facebookresearch/deit, models.py)
 * nor on biases and norms, which are vectors (timm, param_groups_weight_decay).
 */
export function decays(name: string, rank: number): boolean {
  return rank > 1 && !NEVER_DECAYED.includes(name);
}
