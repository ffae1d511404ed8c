import type { VitConfig } from '../src/families/vit/config.js';
import type { Preprocessing } from '../src/image/types.js';
import type { Library } from './namings/index.js';

export type { Library } from './namings/index.js';

/** Something that is known of a model, and where it stands, e.g. `config.json: num_attention_heads`. */
export interface Fact<T> {
  readonly value: T;
  readonly source: string;
}

/**
 * What is known of a model beside its tensors: from the options, the file's metadata, the files beside it. Tensors'
 * shapes have the last word where they tell the same thing: a fact that contradicts them is an error.
 */
export interface Facts {
  readonly library?: Fact<Library>;
  /** Name of the architecture or of the pretrained tag, as its source has it. */
  readonly name?: Fact<string>;
  readonly config: { readonly [F in keyof VitConfig]?: Fact<NonNullable<VitConfig[F]>> };
  readonly preprocessing?: Fact<Preprocessing>;
  /** Mean and deviation of the channels, where nothing tells how images are resized and cropped. */
  readonly normalization?: Fact<Pick<Preprocessing, 'mean' | 'std'>>;
  /** Names of the classes. */
  readonly labels?: Fact<readonly string[]>;
  /** The non-linearity of a Hugging Face model's pooler, by its name there. */
  readonly poolerActivation?: Fact<string>;
  /** What is told of the outputs, and read otherwise here. */
  readonly assumptions?: readonly Assumption[];
}

/** Something that neither the tensors nor any fact tells, and that was taken for likely. */
export interface Assumption {
  /** What, e.g. `numHeads` or `preprocessing`. */
  readonly field: string;
  /** The value that was taken, as text. */
  readonly value: string;
  /** Why, what else is published of this shape, and the option that says otherwise: one sentence. */
  readonly why: string;
}
