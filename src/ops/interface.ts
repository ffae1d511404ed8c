/**
 * The operations that a family's forward pass is written in. An engine implements them with what it computes with:
 * tfjs tensors, nodes of a TensorFlow graph, steps of a WASM program, shapes (to count). Weights are named, not passed:
 * an engine finds `NAME.kernel`, `NAME.bias` and so on by the family's table, in tfjs' layout, and lays them out as it
 * likes. B is the batch, T the number of tokens, D the width of a token.
 */

/** The MLP's non-linearity, as PyTorch names its functions. */
export type Activation =
  /** x · Φ(x) with Φ by erf: torch.nn.GELU(). */
  | 'gelu'
  /** The same with Φ approximated by tanh: torch.nn.GELU(approximate='tanh'). */
  | 'gelu_tanh'
  /** x · sigmoid(1.702 x): CLIP's. */
  | 'quick_gelu'
  | 'relu'
  | 'tanh'
  /** x · sigmoid(x). */
  | 'silu';

export interface LinearOpOptions {
  /** Applied to x · kernel + bias. */
  readonly activation?: Activation;
  /** Name of a weight [N] that multiplies the result: LayerScale's gamma. */
  readonly scale?: string;
}

/** How a branch's last linear layer is added to the residual stream. */
export interface ResidualOptions<T> extends LinearOpOptions {
  /** Added last; of the shape of the result. */
  readonly residual: T;
  /** Probability with which the branch is left out for a sample; acts in training only. */
  readonly dropPath?: number;
}

export interface AttentionOptions {
  /** Divides D. */
  readonly numHeads: number;
  /** Epsilon of the layer norms of each head's queries and keys (`NAME.q_norm`, `NAME.k_norm`); none without it. */
  readonly qkNorm?: number;
  /** How many of the first tokens ask; by default all. */
  readonly queries?: number;
}

/** One token put before the patches. */
export interface PrefixTokenSpec {
  /** Name of the weight [1, n, D]; n tokens. */
  readonly name: string;
  /** Index of the position embedding that is added to the first of them, the next ones following; null for none. */
  readonly position: number | null;
}

/** What stands before the patch tokens, and where in `posEmbed` each finds its position. */
export interface TokensSpec {
  readonly prefix: readonly PrefixTokenSpec[];
  /** Name of the position embeddings [1, P, D], or null for none. */
  readonly posEmbed: string | null;
  /** Index of the first patch's position embedding. */
  readonly firstPatch: number;
}

/** @typeParam V what an engine computes with; its comments name shapes as a tensor would have them, all float32 */
export interface Ops<V> {
  /** Images [B, H, W, C] → patch tokens [B, N, D], row by row. Weights: kernel [p, q, C, D], bias [D] or none. */
  patchEmbed(images: V, name: string): V;
  /** Patch tokens [B, N, D] → [B, T, D]: prefix tokens before them, position embeddings added. */
  addTokens(patches: V, tokens: TokensSpec): V;
  /** Over the last axis. Weights: gamma, beta [D]. */
  layerNorm(x: V, name: string, epsilon: number): V;
  /** scale · activation(x · kernel + bias): [..., K] → [..., N]. Weights: kernel [K, N], bias [N] or none. */
  linear(x: V, name: string, options?: LinearOpOptions): V;
  /** residual + dropPath(scale · activation(x · kernel + bias)). */
  linearResidual(x: V, name: string, options: ResidualOptions<V>): V;
  /** silu(a) · b of the halves a, b of the last axis: [..., 2N] → [..., N] (SwiGLU, arXiv 2002.05202). */
  swiglu(x: V): V;
  /**
   * Multi-head self-attention without its last projection: [B, T, D] → [B, queries, D].
   * Weights: qkv.kernel [D, 3D], qkv.bias [3D] or none; q_norm.gamma, q_norm.beta, k_norm.gamma, k_norm.beta
   * [D / numHeads] with qkNorm.
   */
  selfAttention(x: V, name: string, options: AttentionOptions): V;
  /**
   * Attention of one learned query over all tokens, without its last projection: [B, T, D] → [B, 1, D].
   * Weights: latent [1, 1, D], q.kernel [D, D], q.bias, kv.kernel [D, 2D], kv.bias.
   */
  latentAttention(x: V, name: string, numHeads: number): V;
  /** The first tokens: [B, T, D] → [B, count, D]. */
  firstTokens(x: V, count: number): V;
  /** The tokens from one on: [B, T, D] → [B, T − from, D]. */
  tokensFrom(x: V, from: number): V;
  /** One token: [B, T, D] → [B, D]. */
  token(x: V, index: number): V;
  /** The mean of the tokens from one on: [B, T, D] → [B, D]. */
  meanTokens(x: V, from: number): V;
  /** Features side by side: [B, K1], [B, K2] … → [B, K1 + K2 + …]. */
  concat(parts: readonly V[]): V;
  /** The mean of values of one shape. */
  mean(parts: readonly V[]): V;
}
