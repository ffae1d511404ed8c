import { patchesOf, tokenRow } from './attentionMap.js';
import type { AttentionStack, PatchMap, PrefixToken } from './types.js';

/**
 * Attention rollout (Abnar and Zuidema, arXiv 2005.00928, section 3): what a prefix token takes from each patch
 * through all blocks. The heads are averaged, the residual connection counts as half, A = 0.5 W + 0.5 I with rows
 * brought to 1, and the blocks are multiplied, the last in front.
 */
export function rollout(stack: AttentionStack, options: { token?: PrefixToken } = {}): PatchMap {
  // One row of the product is asked for: it is carried from the last block to the first.
  let row = new Float64Array(stack.tokens);
  row[tokenRow(stack, options.token)] = 1;
  for (const layer of stack.layers.toReversed())
    row = timesBlock(row, withResidual(layer, stack), stack.tokens);
  return patchesOf(stack, row);
}

/** Mean of the heads with the residual connection, float64 [T, T], each row adding up to 1. */
function withResidual(layer: Float32Array, { heads, tokens }: AttentionStack): Float64Array {
  const mixed = new Float64Array(tokens * tokens);
  for (let i = 0; i < mixed.length; i++) {
    for (let h = 0; h < heads; h++) mixed[i]! += (0.5 * layer[h * mixed.length + i]!) / heads;
  }
  for (let t = 0; t < tokens; t++) {
    mixed[t * tokens + t]! += 0.5;
    const line = mixed.subarray(t * tokens, (t + 1) * tokens);
    const sum = line.reduce((a, b) => a + b, 0);
    for (let i = 0; i < tokens; i++) line[i]! /= sum;
  }
  return mixed;
}

/** row [T] · matrix [T, T]. */
function timesBlock(row: Float64Array, matrix: Float64Array, tokens: number): Float64Array<ArrayBuffer> {
  const product = new Float64Array(tokens);
  for (let t = 0; t < tokens; t++) {
    const factor = row[t]!;
    if (factor === 0) continue;
    for (let i = 0; i < tokens; i++) product[i]! += factor * matrix[t * tokens + i]!;
  }
  return product;
}
