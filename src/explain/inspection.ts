/** What is shown of one forward pass, out of a row that an engine gives; needs no tensors. */
import { blockConfig, headNames, type VitConfig } from '../families/vit/config.js';
import { branches } from '../families/vit/weights.js';
import { toStack } from './toStack.js';
import type { AttentionStack } from './types.js';

/** What a model makes of one image, all of one forward pass. D is the width of a token. */
export interface Inspection {
  /** float32 [classes]; of a model without a head what predict gives, [D]. */
  readonly logits: Float32Array;
  /** Of a distilled model the class head's and the distillation head's logits, whose mean `logits` is; else empty. */
  readonly heads: readonly Float32Array[];
  /** The patches' tokens after the final norm, float32 [patches, D]. */
  readonly patches: Float32Array;
  readonly attention: AttentionStack;
}

/** The parts of a row of inspectionForward, as copies. */
export function splitInspection(config: VitConfig, row: Float32Array): Inspection {
  const { tokens, heads, prefixTokens } = toStack(config, []);
  const blocks = config.depth * branches('', blockConfig(config, 0)).attention.length;
  const weights = heads * tokens * tokens;
  const patches = (tokens - prefixTokens) * config.embedDim;
  const count = headNames(config).length;
  const width = (row.length - patches - blocks * weights) / count;
  let at = 0;
  const next = (length: number) => {
    at += length;
    return row.slice(at - length, at);
  };
  const headRows = Array.from({ length: count }, () => next(width));
  return {
    logits: meanOf(headRows),
    heads: count > 1 ? headRows : [],
    patches: next(patches),
    attention: toStack(
      config,
      Array.from({ length: blocks }, () => next(weights)),
    ),
  };
}

function meanOf(rows: readonly Float32Array[]): Float32Array {
  if (rows.length === 1) return rows[0]!;
  return rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
}
