import type { VitConfig } from '../src/families/vit/config.js';
import type { Library } from './facts.js';

/** A number of heads, and which published models have it. */
type Heads = readonly [heads: number, who: string];

/** Heads of published models of one shape, by those who publish them. */
interface HeadsConvention {
  readonly width: number;
  readonly depth?: number;
  readonly patch?: number;
  /** The likely one first. */
  readonly heads: readonly [Heads, ...Heads[]];
}

/** Where published models have not one head for each 64 of width, or where several have the same shape. */
const conventions: readonly HeadsConvention[] = [
  { width: 64, depth: 6, heads: [[2, 'timm’s test_vit']] },
  { width: 64, depth: 8, heads: [[2, 'timm’s test_vit2']] },
  { width: 96, depth: 9, heads: [[3, 'timm’s test_vit3']] },
  {
    width: 192,
    depth: 12,
    heads: [
      [3, 'DeiT, ViT and DINO tiny'],
      [6, 'TinyMIM tiny'],
      [12, 'MAE-Lite tiny'],
    ],
  },
  {
    width: 384,
    depth: 12,
    heads: [
      [6, 'DeiT, ViT, DINO and DINOv2 small'],
      [12, 'MoCo v3 small'],
    ],
  },
  { width: 768, depth: 8, heads: [[8, 'mmpretrain’s and timm’s first small']] },
  {
    width: 768,
    depth: 12,
    heads: [
      [12, 'every base model'],
      [16, 'timm’s vit_pe_core_base'],
    ],
  },
  { width: 1152, heads: [[16, 'SigLIP’s so400m']] },
  { width: 1280, heads: [[16, 'every huge model']] },
  { width: 1408, heads: [[16, 'ViT giant']] },
  {
    width: 1536,
    depth: 40,
    patch: 14,
    heads: [
      [24, 'DINOv2 giant'],
      [16, 'PE and SigLIP 2 giant'],
    ],
  },
  {
    width: 1536,
    depth: 40,
    heads: [
      [16, 'SigLIP 2 giant'],
      [24, 'DINOv2 giant'],
    ],
  },
  { width: 1664, heads: [[16, 'ViT gigantic']] },
  { width: 1792, heads: [[16, 'EVA-CLIP 5B and PE gigantic']] },
];

/** Width of a head in nearly every published ViT. */
const HEAD_DIM = 64;

export interface LikelyHeads {
  readonly heads: number;
  /** Who has so many, and who has others. */
  readonly why: string;
}

/** The likely number of heads of a model of this shape; undefined if there is none. */
export function likelyHeads({
  embedDim,
  depth,
  patch,
  library,
}: Pick<VitConfig, 'embedDim' | 'depth'> & {
  readonly patch: number;
  readonly library?: Library;
}): LikelyHeads | undefined {
  if (library === 'moco' && embedDim === 384) return { heads: 12, why: 'as in moco-v3’s vits.py' };
  const same = (asked: number | undefined, have: number) => asked === undefined || asked === have;
  const known = conventions.find(
    (one) => one.width === embedDim && same(one.depth, depth) && same(one.patch, patch),
  );
  if (known) {
    const [[heads, who], ...others] = known.heads;
    const also = others.map(([count, whose]) => `${whose} ${count}`).join(', ');
    return { heads, why: `as ${who}${also ? `; of the same shape ${also}` : ''}` };
  }
  const heads = embedDim / HEAD_DIM;
  if (!Number.isInteger(heads)) return undefined;
  return { heads, why: `one for each ${HEAD_DIM} of the width, as most published models` };
}
