import type { VitConfig } from '../../src/families/vit/config.js';
import type { VitPart } from '../../src/families/vit/weights.js';
import type { ResampleMethod } from '../resamplePosEmbed.js';

/**
 * A module's name, to which the endings of its weights are added, or a tensor's whole name. `thirds` takes rows of it,
 * in thirds: torch.nn.MultiheadAttention puts query, key and value below each other. `branch`: that branch's alone, where
 * each has a name of its own.
 */
export type Part =
  | string
  | { readonly name: string; readonly thirds: readonly [from: number, to: number] }
  | { readonly name: string; readonly branch: number };

/** One place where a part may be found; a list stands for tensors that are put one below the other. */
export type Source = Part | readonly [Part, ...Part[]];

/**
 * Our parts and where they stand, to be tried in turn. Those of a block are told from the block's name on, `attns.*.norm`
 * being branch `*`. A part without a row does not exist in this naming.
 */
export type Rows = { readonly [P in VitPart]?: readonly Source[] };

/** How one code base names the tensors of a vision transformer, and what it does where tensors do not tell. */
export interface Naming {
  /** Shown in the report. */
  readonly name: string;
  /** The code base that weights with these names come from; facts may say another. */
  readonly library: string;
  /** What stands before the number of a block. */
  readonly blocks: readonly string[];
  /** Whether blocks may stand beside the body instead of in it (transformers' ViTMSN). */
  readonly blocksBeside?: boolean;
  /** Names in the model's body, what holds the patch projection. */
  readonly rows: Rows;
  /** Names of heads beside the body, e.g. `classifier` where the body is `vit.`. */
  readonly beside: Rows;
  /** How linear layers are laid out: PyTorch's [out, in] and [D, C, p, q], by default, or Flax's [in, out] and [p, q, C, D]. */
  readonly layout?: 'flax';
  /** Tensors in the body that no output depends on. */
  readonly dropped: readonly RegExp[];
  /** Only models whose prefix is such. */
  readonly prefix?: RegExp;
  /** Tensors that no other naming with the same names has, by the end of their name in the body. */
  readonly tell?: RegExp;
  readonly epsilon: number;
  /** Epsilon of models with a norm before the blocks, where it is another. */
  readonly preNormEpsilon?: number;
  readonly activation?: VitConfig['activation'];
  /** How position embeddings are resampled for another size. */
  readonly resample: ResampleMethod;
  /** Whose code that is. */
  readonly resampledAs: string;
}
