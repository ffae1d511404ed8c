/** What a vision transformer makes of an image before its head, as one row an image: whatever engine computes it. */
import { numPrefixTokens, type VitConfig } from '../families/vit/config.js';
import { encode, type VitOps } from '../families/vit/forward.js';

/** What a model makes of one image; D is embedDim. All values are after the final norm, where the model has one. */
export interface Embedding {
  /** The class token, float32 [D]; undefined for a model without one. */
  readonly classToken: Float32Array | undefined;
  /** The distillation token, float32 [D]; undefined for a model that is not distilled. */
  readonly distillationToken: Float32Array | undefined;
  /** The mean of the patch tokens, float32 [D]. Class, distillation and register tokens are no patches. */
  readonly patchMean: Float32Array;
}

/** Tokens of an embedding, in the order in which they stand before the patches. */
function embeddingTokens(config: VitConfig): ('classToken' | 'distillationToken')[] {
  const tokens: ('classToken' | 'distillationToken')[] = [];
  if (config.classToken !== false) tokens.push('classToken');
  if (config.distilled) tokens.push('distillationToken');
  return tokens;
}

/** Class token, distillation token (those that there are) and mean of the patches: images [B, H, W, C] → [B, n · D]. */
export function embeddingForward<V>(ops: VitOps<V>, config: VitConfig, images: V): V {
  const x = encode(ops, config, images);
  const tokens = embeddingTokens(config).map((_, index) => ops.token(x, index));
  return ops.concat([...tokens, ops.meanTokens(x, numPrefixTokens(config))]);
}

/** The parts of a row of embeddingForward, as copies. */
export function splitEmbedding(config: VitConfig, row: Float32Array): Embedding {
  const width = config.embedDim;
  const tokens = embeddingTokens(config);
  const part = (index: number) => (index < 0 ? undefined : row.slice(index * width, (index + 1) * width));
  return {
    classToken: part(tokens.indexOf('classToken')),
    distillationToken: part(tokens.indexOf('distillationToken')),
    patchMean: part(tokens.length)!,
  };
}
