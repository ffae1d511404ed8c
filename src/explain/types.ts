/** The attention weights of one picture through a whole model. */
export interface AttentionStack {
  /** One array a block, float32 [heads, T, T] row by row: row t says how much token t takes from each token. */
  readonly layers: readonly Float32Array[];
  readonly heads: number;
  /** Number of tokens T, those before the patches included. */
  readonly tokens: number;
  /** Tokens before the patches: the class token, and the distillation token if there is one. */
  readonly prefixTokens: number;
  /** Rows and columns of the patch grid. */
  readonly grid: readonly [number, number];
}

/** How much each patch counts, row by row; none below 0. */
export interface PatchMap {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** The token whose attention is shown: the class token, or the distillation token of a distilled model. */
export type PrefixToken = 'cls' | 'dist';
