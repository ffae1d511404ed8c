import type { VitPart } from '../../src/families/vit/weights.js';
import { facebook, facebookParallel } from './facebook.js';
import { google } from './google.js';
import {
  huggingfaceClip,
  huggingfaceDinov2,
  huggingfaceDinov2Registers,
  huggingfaceSiglip,
  huggingfaceVit,
} from './huggingface.js';
import { mmpretrain } from './mmpretrain.js';
import { dino, dinov2, dinov2Registers, mae, moco } from './selfSupervised.js';
import { timm } from './timm.js';
import { torchvision } from './torchvision.js';
import type { Naming as AnyNaming } from './types.js';

export type { Part, Rows, Source } from './types.js';

const all = [
  facebook,
  facebookParallel,
  timm,
  dinov2Registers,
  dinov2,
  dino,
  mae,
  moco,
  mmpretrain,
  huggingfaceVit,
  huggingfaceDinov2,
  huggingfaceDinov2Registers,
  huggingfaceSiglip,
  huggingfaceClip,
  torchvision,
  google,
] as const;

/** A naming of the index. */
export type Naming = AnyNaming & { readonly library: Library };

/** Every naming that the converter knows; of those with the same names the first is the likelier. A new one is a file and a line here. */
export const namings: readonly Naming[] = all;

/** The code base that a model's weights come from; it decides how unnamed things are done. */
export type Library = (typeof all)[number]['library'];

/** Parts that some naming has. */
type PartsOf<N> = N extends { readonly rows: infer R; readonly beside: infer B } ? keyof R | keyof B : never;
type Named = PartsOf<(typeof all)[number]>;

/** Does not compile if there is a weight that no naming has: the error names it. */
const unnamed: Exclude<VitPart, Named>[] = [];
unnamed satisfies never[];
