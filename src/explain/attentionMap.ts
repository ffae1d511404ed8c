import { UserError } from '../errors.js';
import type { AttentionStack, PatchMap, PrefixToken } from './types.js';

export interface AttentionMapOptions {
  /** Block, counted from 0; the last by default. */
  layer?: number;
  /** Head, counted from 0, or the mean of all, by default. */
  head?: number | 'mean';
  /** `cls` by default. */
  token?: PrefixToken;
}

/** What a prefix token takes from each patch in one block: attention weights as they are, without the prefix tokens'. */
export function attentionMap(stack: AttentionStack, options: AttentionMapOptions = {}): PatchMap {
  const layer = checkIndex(options.layer ?? stack.layers.length - 1, stack.layers.length, 'layer');
  const weights = stack.layers[layer]!;
  const row = tokenRow(stack, options.token);
  const { head = 'mean' } = options;
  const { heads, tokens } = stack;
  const chosen =
    head === 'mean' ? Array.from({ length: heads }, (_, i) => i) : [checkIndex(head, heads, 'head')];
  const sum = new Float64Array(tokens);
  for (const h of chosen) {
    const start = (h * tokens + row) * tokens;
    for (let i = 0; i < tokens; i++) sum[i]! += weights[start + i]! / chosen.length;
  }
  return patchesOf(stack, sum);
}

/** The row of a prefix token in the attention matrices. */
export function tokenRow({ prefixTokens }: AttentionStack, token: PrefixToken = 'cls'): number {
  if (token === 'cls') return 0;
  if (prefixTokens < 2) throw new UserError('the model has no distillation token; ask for the token cls');
  return 1;
}

/** A row over all tokens → the patches alone. */
export function patchesOf(stack: AttentionStack, row: ArrayLike<number>): PatchMap {
  const [rows, cols] = stack.grid;
  return { data: Float32Array.from(Array.from(row).slice(stack.prefixTokens)), rows, cols };
}

function checkIndex(index: number, count: number, what: string): number {
  if (Number.isInteger(index) && index >= 0 && index < count) return index;
  throw new UserError(`the model has ${count} ${what}s, 0 to ${count - 1}; there is no ${what} ${index}`);
}
