import { plainBicubic } from '../resamplePosEmbed.js';
import type { Naming, Rows } from './types.js';

/** What facebookresearch's code bases and timm share (vision_transformer.py, models.py). */
export const sharedRows = {
  patch_embed: ['patch_embed.proj'],
  cls_token: ['cls_token'],
  pos_embed: ['pos_embed'],
  'blocks.*.norm1': ['norm1'],
  'blocks.*.attn.qkv': ['attn.qkv'],
  'blocks.*.attn.proj': ['attn.proj'],
  'blocks.*.norm2': ['norm2'],
  'blocks.*.mlp.fc1': ['mlp.fc1'],
  'blocks.*.mlp.fc2': ['mlp.fc2'],
  norm: ['norm'],
  fc_norm: ['fc_norm'],
  // Training code puts a Sequential (dropout, then the layer) in the head's place.
  head: ['head', 'head.1', 'head.fc', 'head.0', 'classifier', 'fc'],
} as const satisfies Rows;

/** A body in a wrapper of people's own: their head stands beside it. */
export const headsBeside = {
  head: [
    'head',
    'fc',
    'classifier',
    'linear_head',
    'linear',
    'cls_head',
    'head.1',
    'classifier.1',
    'fc.1',
    '1',
    '1.1',
  ],
} as const satisfies Rows;

/** facebookresearch/deit (models.py, models_v2.py). */
export const facebook = {
  name: 'facebook',
  library: 'facebook',
  blocks: ['blocks.'],
  rows: {
    ...sharedRows,
    dist_token: ['dist_token'],
    'blocks.*.ls1.gamma': ['gamma_1'],
    'blocks.*.ls2.gamma': ['gamma_2'],
    head_dist: ['head_dist'],
  },
  beside: headsBeside,
  dropped: [],
  epsilon: 1e-6,
  resample: plainBicubic,
  resampledAs: 'facebookresearch/deit',
} as const satisfies Naming;

/** Both branches' names of a part that a parallel block has twice. */
const twice = (first: string, second: string) =>
  [
    { name: first, branch: 0 },
    { name: second, branch: 1 },
  ] as const;

/** Its blocks with two branches side by side (models_v2.py: Block_paralx2, Layer_scale_init_Block_paralx2). */
export const facebookParallel = {
  ...facebook,
  rows: {
    patch_embed: sharedRows.patch_embed,
    cls_token: sharedRows.cls_token,
    pos_embed: sharedRows.pos_embed,
    norm: sharedRows.norm,
    head: sharedRows.head,
    'blocks.*.attns.*.norm': twice('norm1', 'norm11'),
    'blocks.*.attns.*.attn.qkv': twice('attn.qkv', 'attn1.qkv'),
    'blocks.*.attns.*.attn.proj': twice('attn.proj', 'attn1.proj'),
    'blocks.*.attns.*.ls.gamma': twice('gamma_1', 'gamma_1_1'),
    'blocks.*.ffns.*.norm': twice('norm2', 'norm21'),
    'blocks.*.ffns.*.mlp.fc1': twice('mlp.fc1', 'mlp1.fc1'),
    'blocks.*.ffns.*.mlp.fc2': twice('mlp.fc2', 'mlp1.fc2'),
    'blocks.*.ffns.*.ls.gamma': twice('gamma_2', 'gamma_2_1'),
  },
  tell: /\.attn1\.qkv\.weight$/,
} as const satisfies Naming;
