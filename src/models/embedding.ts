/** What a vision transformer makes of an image before its head, as one row an image: whatever engine computes it. */
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
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
  checkArguments('splitEmbedding', { config: ['config', config], row: ['floats', row] });
  const width = config.embedDim;
  const tokens = embeddingTokens(config);
  const part = (index: number) => (index < 0 ? undefined : row.slice(index * width, (index + 1) * width));
  return {
    classToken: part(tokens.indexOf('classToken')),
    distillationToken: part(tokens.indexOf('distillationToken')),
    patchMean: part(tokens.length)!,
  };
}

/** What of an embedding makes an image's features; `both` is class token and mean of the patches side by side. */
export type EmbeddingPool = 'token' | 'mean' | 'both';

/** The default pool of a model's features: the class token where there is one. */
export function defaultPool(config: VitConfig): EmbeddingPool {
  return config.classToken === false ? 'mean' : 'token';
}

/**
 * The features that `pool` makes of a row of embeddingForward: float32 [D], or [2D] of `both`. Of a distilled model the
 * token is the class token, as in transformers' DeiTModel; its distillation token is left out.
 *
 * @throws UserError if the model has no class token and `pool` needs one
 */
export function pooledEmbedding(config: VitConfig, row: Float32Array, pool: EmbeddingPool): Float32Array {
  const { classToken, patchMean } = splitEmbedding(config, row);
  if (pool === 'mean') return patchMean;
  if (!classToken) {
    throw new UserError(`${config.name}: has no class token; pool its patches by their mean`);
  }
  if (pool === 'token') return classToken;
  const both = new Float32Array(2 * config.embedDim);
  both.set(classToken);
  both.set(patchMean, config.embedDim);
  return both;
}
