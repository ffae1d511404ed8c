/**
 * Where a tensor may be found: names to try in turn. A list of names stands for tensors that are to be put one below
 * the other (query, key and value).
 */
export type Sources = readonly (string | readonly string[])[];

/**
 * How one code base names the tensors of a vision transformer. Keys are our own names, values the names there, and
 * `*` stands for the number of a block.
 */
export interface KeyMap {
  /** Shown in the report. */
  readonly name: 'facebook' | 'timm' | 'mmpretrain' | 'huggingface';
  /** Whether its authors resample position embeddings for another size with antialias. */
  readonly antialias: boolean;
  /** Whole names of tensors. */
  readonly tensors: Readonly<
    Record<'cls_token' | 'dist_token' | 'pos_embed' | 'blocks.*.ls1.gamma' | 'blocks.*.ls2.gamma', Sources>
  >;
  /** Names of modules, to which `.weight` and `.bias` are added. */
  readonly modules: Readonly<
    Record<
      | 'patch_embed'
      | 'blocks.*.norm1'
      | 'blocks.*.attn.qkv'
      | 'blocks.*.attn.proj'
      | 'blocks.*.norm2'
      | 'blocks.*.mlp.fc1'
      | 'blocks.*.mlp.fc2'
      | 'norm'
      | 'head'
      | 'head_dist',
      Sources
    >
  >;
  /** Tensors that may be there and are not needed to classify. */
  readonly dropped: readonly RegExp[];
}
