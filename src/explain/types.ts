/** The attention weights of one image through a whole model. */
export interface AttentionStack {
  /** One array a block, float32 [heads, T, T] row by row: row t says how much token t takes from each token. */
  readonly layers: readonly Float32Array[];
  readonly heads: number;
  /** Number of tokens T, those before the patches included. */
  readonly tokens: number;
  /** Tokens before the patches: class, distillation and register tokens. */
  readonly prefixTokens: number;
  /**
   * The rows of the prefix tokens that have a meaning of their own; registers have none. Without it the first is the
   * class token, and the second of two the distillation token.
   */
  readonly named?: { readonly cls?: number; readonly dist?: number };
  /** Rows and columns of the patch grid. */
  readonly grid: readonly [number, number];
}

/** How much each patch counts, row by row. */
export interface PatchMap {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** The token whose attention is shown: the class token, or the distillation token of a distilled model. */
export type PrefixToken = 'cls' | 'dist';

/** A prefix token, the mean over all patches, or one patch by its place in the grid, row by row from 0. */
export type QueryToken = PrefixToken | 'mean' | number;
