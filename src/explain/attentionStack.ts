import * as tf from '@tensorflow/tfjs-core';
import { readValues } from '../backendLoss.js';
import { UserError } from '../errors.js';
import { gridSize, numPrefixTokens } from '../families/vit/config.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import type { AttentionStack } from './types.js';

/**
 * The attention weights of every block for one picture.
 *
 * @param x float32 [1, H, W, C], normalised
 */
export async function attentionStack(model: VisionTransformer, x: tf.Tensor4D): Promise<AttentionStack> {
  if (x.shape[0] !== 1) throw new UserError(`attention is read of one picture at a time, got ${x.shape[0]}`);
  const { tokens, attention } = model.features(x, { attention: true });
  try {
    return {
      layers: await Promise.all(attention.map((weights) => readValues(weights, model.backend))),
      heads: model.config.numHeads,
      tokens: tokens.shape[1],
      prefixTokens: numPrefixTokens(model.config),
      grid: gridSize(model.config),
    };
  } finally {
    tf.dispose([tokens, attention]);
  }
}
