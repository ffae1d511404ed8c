import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../checkArguments.js';
import { readValues } from '../deviceLost.js';
import { UserError } from '../errors.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { splitInspection } from './inspection.js';
import { toStack } from './toStack.js';
import type { AttentionStack } from './types.js';

/**
 * The attention weights of every block for one image.
 *
 * @param x float32 [1, H, W, C], normalised
 * @throws UserError for a batch of several, or what predict throws
 */
export async function attentionStack(model: VisionTransformer, x: tf.Tensor4D): Promise<AttentionStack> {
  checkArguments('attentionStack', { model: ['model', model], x: ['tensor', x] });
  checkOne(x, 'attention is');
  const row = await model.inspectRows(x);
  if (row) return splitInspection(model.config, row).attention;
  const { tokens, attention } = model.features(x, { attention: true });
  tokens.dispose();
  return toStack(model.config, await readAll(model, attention));
}

/** Throws a UserError for a batch of several images. */
export function checkOne(x: tf.Tensor, what: string): void {
  if (x.shape[0] !== 1) throw new UserError(`${what} read of one image at a time, got ${x.shape[0]}`);
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
