import * as tf from '@tensorflow/tfjs-core';
import { readValues } from '../deviceLost.js';
import { UserError } from '../errors.js';
import { gridSize, numPrefixTokens, type VitConfig } from '../families/vit/config.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import type { AttentionStack } from './types.js';

/**
 * The attention weights of every block for one image.
 *
 * @param x float32 [1, H, W, C], normalised
 * @throws UserError for a batch of several, or what predict throws
 */
export async function attentionStack(model: VisionTransformer, x: tf.Tensor4D): Promise<AttentionStack> {
  checkOne(x, 'attention is');
  const { tokens, attention } = model.features(x, { attention: true });
  tokens.dispose();
  return toStack(model.config, await readAll(model, attention));
}

/** Throws a UserError for a batch of several images. */
export function checkOne(x: tf.Tensor, what: string): void {
  if (x.shape[0] !== 1) throw new UserError(`${what} read of one image at a time, got ${x.shape[0]}`);
}

/** Attention weights [heads, T, T] of each block with what says where the tokens are. */
export function toStack(config: VitConfig, layers: readonly Float32Array[]): AttentionStack {
  const prefixTokens = numPrefixTokens(config);
  const grid = gridSize(config);
  const cls = config.classToken === false ? undefined : 0;
  const dist = config.distilled ? (cls ?? -1) + 1 : undefined;
  const named = { ...(cls === undefined ? {} : { cls }), ...(dist === undefined ? {} : { dist }) };
  const tokens = prefixTokens + grid[0] * grid[1];
  return { layers, heads: config.numHeads, tokens, prefixTokens, named, grid };
}

/** The values of tensors on the model's backend; the tensors are freed. */
export async function readAll(
  model: VisionTransformer,
  tensors: readonly tf.Tensor[],
): Promise<Float32Array[]> {
  try {
    return await Promise.all(tensors.map((tensor) => readValues(tensor, model.backend)));
  } finally {
    tf.dispose([...tensors]);
  }
}
