import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { patchesOf, tokenRows } from './attentionMap.js';
import type { AttentionStack, PatchMap, QueryToken } from './types.js';

/** How the heads of a block become one matrix. */
export type HeadFusion = 'mean' | 'max' | 'min';

export interface RolloutOptions {
  /** Whose rollout; `cls` by default. */
  token?: QueryToken;
  /** `mean` by default, as in the paper. */
  fusion?: HeadFusion;
  /** Share 0…1 of each block's weights, the smallest, that are taken for 0; 0 by default. */
  discardRatio?: number;
}

/**
 * Attention rollout (Abnar and Zuidema, arXiv 2005.00928, section 3): what a token takes from each patch through all
 * blocks. The heads are fused, the residual connection counts as half, A = 0.5 W + 0.5 I, normalised, and the blocks are
 * multiplied, the last in front.
 *
 * Fusion and discard ratio are those of jacobgil/vit-explain, whose normalisation this is too: column j is divided by
 * the sum of row j. With `mean` and nothing discarded all sums are 1, and it is the paper's rollout.
 */
export function rollout(stack: AttentionStack, options: RolloutOptions = {}): PatchMap {
  checkArguments('rollout', { stack: ['stack', stack], options: ['fields', options] });
  checkOptions('rollout', options, { token: 'any', fusion: 'any', discardRatio: 'any' });
  const { fusion = 'mean', discardRatio = 0 } = options;
  if (!['mean', 'max', 'min'].includes(fusion)) {
    throw new UserError(`fusion is mean, max or min, got ${String(fusion)}`);
  }
  if (!(discardRatio >= 0 && discardRatio < 1)) {
    throw new UserError(`discardRatio is from 0 to below 1, got ${String(discardRatio)}`);
  }
  // One row of the product is asked for: it is carried from the last block to the first.
  let row = new Float64Array(stack.tokens);
  const queries = tokenRows(stack, options.token);
  for (const query of queries) row[query] = 1 / queries.length;
  for (const layer of stack.layers.toReversed()) {
    const fused = fuseHeads(layer, stack, fusion);
    if (discardRatio > 0) discardSmallest(fused, discardRatio);
    row = timesMatrix(row, withResidual(fused, stack.tokens), stack.tokens);
  }
  return patchesOf(stack, row);
}

/** [heads, T, T] → float64 [T, T]. */
function fuseHeads(layer: Float32Array, { heads, tokens }: AttentionStack, fusion: HeadFusion): Float64Array {
  const size = tokens * tokens;
  const fused = Float64Array.from(layer.subarray(0, size));
  for (let h = 1; h < heads; h++) {
    for (let i = 0; i < size; i++) {
      const value = layer[h * size + i]!;
      if (fusion === 'mean') fused[i]! += value;
      else fused[i] = fusion === 'max' ? Math.max(fused[i]!, value) : Math.min(fused[i]!, value);
    }
  }
  if (fusion === 'mean') for (let i = 0; i < size; i++) fused[i]! /= heads;
  return fused;
}

/** Sets the smallest weights to 0, but never the first: what the first token takes from itself. */
function discardSmallest(matrix: Float64Array, ratio: number): void {
  const count = Math.floor(matrix.length * ratio);
  const order = Uint32Array.from(matrix, (_, i) => i).sort((a, b) => matrix[a]! - matrix[b]!);
  for (const i of order.subarray(0, count)) if (i !== 0) matrix[i] = 0;
}

/** 0.5 W + 0.5 I, column j divided by the sum of row j. In place. */
function withResidual(matrix: Float64Array, tokens: number): Float64Array {
  const sums = new Float64Array(tokens);
  for (let t = 0; t < tokens; t++) {
    const line = matrix.subarray(t * tokens, (t + 1) * tokens);
    line[t]! += 1;
    for (let i = 0; i < tokens; i++) sums[t]! += line[i]! / 2;
  }
  for (let i = 0; i < matrix.length; i++) matrix[i]! /= 2 * sums[i % tokens]!;
  return matrix;
}

/** row [T] · matrix [T, T]. */
function timesMatrix(row: Float64Array, matrix: Float64Array, tokens: number): Float64Array<ArrayBuffer> {
  const product = new Float64Array(tokens);
  for (let t = 0; t < tokens; t++) {
    const factor = row[t]!;
    if (factor === 0) continue;
    for (let i = 0; i < tokens; i++) product[i]! += factor * matrix[t * tokens + i]!;
  }
  return product;
}
