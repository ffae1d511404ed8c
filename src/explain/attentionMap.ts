import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { UserError } from '../errors.js';
import type { AttentionStack, PatchMap, QueryToken } from './types.js';

export interface AttentionMapOptions {
  /** Block, counted from 0; the last by default. */
  layer?: number;
  /** Head, counted from 0, or the mean of all, by default. */
  head?: number | 'mean';
  /** Whose attention; `cls` by default. */
  token?: QueryToken;
}

/**
 * What a token takes from each patch in one block: attention weights as they are, without the prefix tokens'.
 *
 * @throws UserError if the model has no such layer, head or token
 */
export function attentionMap(stack: AttentionStack, options: AttentionMapOptions = {}): PatchMap {
  checkArguments('attentionMap', { stack: ['stack', stack], options: ['fields', options] });
  checkOptions('attentionMap', options, { layer: 'any', head: 'any', token: 'any' });
  const layer = checkIndex(options.layer ?? stack.layers.length - 1, stack.layers.length, 'layer');
  const weights = stack.layers[layer]!;
  const queries = tokenRows(stack, options.token);
  const { head = 'mean' } = options;
  const { heads, tokens } = stack;
  const chosen =
    head === 'mean'
      ? Array.from({ length: heads }, (_, i) => i)
      : [checkIndex(head as number, heads, 'head')];
  const sum = new Float64Array(tokens);
  const share = 1 / (chosen.length * queries.length);
  for (const h of chosen) {
    for (const row of queries) {
      const start = (h * tokens + row) * tokens;
      for (let i = 0; i < tokens; i++) sum[i]! += weights[start + i]! * share;
    }
  }
  return patchesOf(stack, sum);
}

/** The rows of a query in the attention matrices: one, or of `mean` those of all patches. */
export function tokenRows(stack: AttentionStack, token: QueryToken = 'cls'): number[] {
  const { prefixTokens, tokens } = stack;
  const patches = tokens - prefixTokens;
  if (token === 'mean') return Array.from({ length: patches }, (_, i) => prefixTokens + i);
  if (typeof token === 'number') return [prefixTokens + checkIndex(token, patches, 'patch')];
  const { named = { cls: 0, dist: prefixTokens === 2 ? 1 : undefined } } = stack;
  const row = named[token];
  if (row !== undefined) return [row];
  const name = token === 'cls' ? 'class' : 'distillation';
  const instead = named.cls === undefined ? 'mean' : 'cls';
  throw new UserError(`the model has no ${name} token; ask for the token ${instead}`);
}

/** A row over all tokens → the patches alone. */
export function patchesOf(stack: AttentionStack, row: ArrayLike<number>): PatchMap {
  const [rows, cols] = stack.grid;
  return { data: Float32Array.from(row).subarray(stack.prefixTokens), rows, cols };
}

const PLURALS: Record<string, string> = { patch: 'patches' };

function checkIndex(index: number, count: number, what: string): number {
  if (Number.isInteger(index) && index >= 0 && index < count) return index;
  const many = PLURALS[what] ?? `${what}s`;
  throw new UserError(`the model has ${count} ${many}, 0 to ${count - 1}; there is no ${what} ${index}`);
}
