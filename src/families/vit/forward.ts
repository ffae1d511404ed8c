import type { AttentionOptions, Ops } from '../../ops/interface.js';
import {
  type BlockConfig,
  blockConfig,
  headNames,
  numPrefixTokens,
  type PoolConfig,
  poolConfig,
  poolOf,
  type TokensConfig,
  tokensSpec,
  type VitConfig,
} from './config.js';
import { branches, poolName } from './weights.js';

/** Sees intermediate values as they come about. */
export interface Watch<V> {
  /** The input of an attention, its name and options. */
  attention?(x: V, name: string, options: AttentionOptions): void;
  /** The tokens after a block, [B, T, D]. */
  block?(x: V): void;
}

export interface ForwardOptions<V> {
  readonly watch?: Watch<V>;
  /** Compute in the last block only the tokens that the head reads. */
  readonly outputTokensOnly?: boolean;
}

/** What an engine may add for this family. */
export interface VitOps<V> extends Ops<V> {
  /** A whole block at once, where the engine has a kernel for it; else undefined. */
  fusedBlock?(config: BlockConfig, name: string, x: V): V | undefined;
  /** softmax(q kᵀ / √d) of selfAttention of the same arguments, which Watch.attention sees: [B, heads, T, T]. */
  attentionWeights?(x: V, name: string, options: AttentionOptions): V;
  /** [B, T, D] → [B, T · D]. */
  flatten?(x: V): V;
}

/**
 * A vision transformer's forward pass in evaluation mode (ViT, arXiv 2010.11929, figure 1; DeiT, arXiv 2012.12877,
 * figure 2): images [B, H, W, C] → logits [B, classes], the mean of both heads' for a distilled model (section 3); without
 * a head what it would read, of a distilled model the mean of its two tokens.
 */
export function forward<V>(ops: VitOps<V>, config: VitConfig, images: V, options: ForwardOptions<V> = {}): V {
  const tokens = encode(ops, config, images, options);
  return ops.mean(headsOf(ops, config, tokens));
}

/** Every head's logits side by side: images [B, H, W, C] → [B, heads · classes]. */
export function headLogits<V>(ops: VitOps<V>, config: VitConfig, images: V): V {
  return ops.concat(headsOf(ops, config, encode(ops, config, images, { outputTokensOnly: true })));
}

/** What each head makes of the tokens after the final norm: [B, T, D] → [B, classes] each. */
export function headsOf<V>(ops: Ops<V>, config: VitConfig, tokens: V): V[] {
  return headNames(config).map((name, token) => head(ops, config, name, tokens, token));
}

/** The tokens after the final norm: images [B, H, W, C] → [B, T, D]. */
export function encode<V>(ops: VitOps<V>, config: VitConfig, images: V, options: ForwardOptions<V> = {}): V {
  const { watch } = options;
  const outputs = options.outputTokensOnly && !readsPatches(config) ? numPrefixTokens(config) : undefined;
  let x = embed(ops, config, images);
  for (let i = 0; i < config.depth; i++) {
    const queries = i === config.depth - 1 ? outputs : undefined;
    x = block(ops, blockConfig(config, i), `blocks.${i}`, x, { queries, watch });
    watch?.block?.(x);
  }
  return config.finalNorm === false ? x : ops.layerNorm(x, 'norm', config.layerNormEps);
}

/** Whether the head reads patch tokens, and not the prefix tokens alone. */
function readsPatches(config: VitConfig): boolean {
  return poolOf(config) !== 'token';
}

/** Patches projected, prefix tokens put before them, positions added: [B, H, W, C] → [B, T, D]. */
function embed<V>(ops: Ops<V>, config: VitConfig, images: V): V {
  const tokens = addTokens(ops, config, ops.patchEmbed(images, 'patch_embed'));
  return config.preNorm ? ops.layerNorm(tokens, 'norm_pre', config.layerNormEps) : tokens;
}

/** [B, N, D] → [B, T, D]. */
export function addTokens<V>(ops: Ops<V>, config: TokensConfig, patches: V): V {
  return ops.addTokens(patches, tokensSpec(config));
}

export interface BlockOptions<V> {
  /** How many of the first tokens to compute; by default all. */
  readonly queries?: number;
  readonly watch?: Watch<V>;
}

/**
 * Pre-norm transformer block (ViT, equations 2 and 3): [B, T, D] → [B, T or queries, D].
 *
 *     x = x + ls1 · attn(norm1(x))
 *     x = x + ls2 · mlp(norm2(x))
 *
 * A parallel block adds several such branches of the same x (arXiv 2203.09795, section 3).
 */
export function block<V>(
  ops: VitOps<V>,
  config: BlockConfig,
  name: string,
  x: V,
  { queries, watch }: BlockOptions<V> = {},
): V {
  const { attention: attentions, mlp: mlps } = branches(name, config);
  const { epsilon, dropPathRate: dropPath } = config;
  const fused = queries === undefined ? ops.fusedBlock?.(config, name, x) : undefined;
  if (fused !== undefined) {
    for (const { norm, main } of watch?.attention ? attentions : []) {
      watch!.attention!(ops.layerNorm(x, norm, epsilon), main, attentionOptions(config));
    }
    return fused;
  }
  const scaleOf = (scale: string | undefined) => (scale ? `${scale}.gamma` : undefined);
  let attended: V | undefined;
  for (const { norm, main, scale } of attentions) {
    const normed = ops.layerNorm(x, norm, epsilon);
    const residual: V = attended ?? (queries === undefined ? x : ops.firstTokens(x, queries));
    const into = { residual, scale: scaleOf(scale), dropPath };
    attended = attention(ops, config, main, normed, into, { queries, watch });
  }
  const input = attended as V;
  let out = input;
  for (const { norm, main, scale } of mlps) {
    const normed = ops.layerNorm(input, norm, epsilon);
    out = mlp(ops, config, main, normed, { residual: out, scale: scaleOf(scale), dropPath });
  }
  return out;
}

/** Where a branch's result goes: multiplied by `scale`, added to `residual`. */
export interface Into<V> {
  readonly residual?: V;
  readonly scale?: string;
  readonly dropPath?: number;
}

function linearInto<V>(ops: Ops<V>, x: V, name: string, { residual, scale, dropPath }: Into<V>): V {
  if (residual === undefined) return ops.linear(x, name, { scale });
  return ops.linearResidual(x, name, { residual, scale, dropPath });
}

type AttentionConfig = Pick<BlockConfig, 'numHeads' | 'qkNorm'> & { readonly epsilon?: number };

function attentionOptions(
  { numHeads, qkNorm, epsilon }: AttentionConfig,
  queries?: number,
): AttentionOptions {
  return { numHeads, qkNorm: qkNorm ? epsilon : undefined, queries };
}

/** Multi-head self-attention with its projections (arXiv 1706.03762, section 3.2.2): [B, T, D] → [B, T or queries, D]. */
export function attention<V>(
  ops: Ops<V>,
  config: AttentionConfig,
  name: string,
  x: V,
  into: Into<V> = {},
  { queries, watch }: BlockOptions<V> = {},
): V {
  const options = attentionOptions(config, queries);
  watch?.attention?.(x, name, options);
  return linearInto(ops, ops.selfAttention(x, name, options), `${name}.proj`, into);
}

/** Two linear layers with a non-linearity between them, or a gated one: [..., D] → [..., D]. */
export function mlp<V>(
  ops: Ops<V>,
  { activation = 'gelu', swiglu }: Pick<BlockConfig, 'activation' | 'swiglu'>,
  name: string,
  x: V,
  into: Into<V> = {},
): V {
  const hidden = swiglu
    ? ops.swiglu(ops.linear(x, `${name}.fc1`))
    : ops.linear(x, `${name}.fc1`, { activation });
  return linearInto(ops, hidden, `${name}.fc2`, into);
}

/** What the head reads of tokens [B, T, D]: [B, D], or [B, 2D] of `token_mean`. */
export function pool<V>(ops: Ops<V>, config: PoolConfig, name: string, x: V, token = 0): V {
  switch (config.pool) {
    case 'token':
      return ops.token(x, token);
    case 'mean':
      return ops.meanTokens(x, config.prefixTokens);
    case 'token_mean':
      return ops.concat([ops.token(x, token), ops.meanTokens(x, config.prefixTokens)]);
    case 'map': {
      // As timm's AttentionPoolLatent and SiglipMultiheadAttentionPoolingHead.
      const read = config.prefixTokens > 0 ? ops.tokensFrom(x, config.prefixTokens) : x;
      const pooled = ops.linear(ops.latentAttention(read, name, config.numHeads!), `${name}.proj`);
      const normed = ops.layerNorm(pooled, `${name}.norm`, config.epsilon!);
      return ops.token(mlp(ops, config, `${name}.mlp`, normed, { residual: pooled }), 0);
    }
  }
}

/** One head's logits, or what it would read: tokens [B, T, D] → [B, classes]. */
function head<V>(ops: Ops<V>, config: VitConfig, name: string, x: V, token: number): V {
  let features = pool(ops, poolConfig(config), poolName(config), x, token);
  if (config.fcNorm) features = ops.layerNorm(features, 'fc_norm', config.layerNormEps);
  if (config.preLogits) features = ops.linear(features, 'pre_logits', { activation: 'tanh' });
  return config.numClasses === 0 ? features : ops.linear(features, name);
}
