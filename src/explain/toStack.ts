import { gridSize, numPrefixTokens, type VitConfig } from '../families/vit/config.js';
import type { AttentionStack } from './types.js';

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
