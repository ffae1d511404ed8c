import { plainBicubic } from '../resamplePosEmbed.js';
import type { Naming } from './types.js';

/** mmpretrain, and the mmcls of before (mmpretrain/models/backbones/{vision_transformer,deit,deit3}.py, heads/). */
export const mmpretrain = {
  name: 'mmpretrain',
  library: 'mmpretrain',
  blocks: ['layers.'],
  rows: {
    patch_embed: ['patch_embed.projection'],
    cls_token: ['cls_token'],
    dist_token: ['dist_token'],
    reg_token: ['reg_token'],
    pos_embed: ['pos_embed'],
    norm_pre: ['pre_norm'],
    'blocks.*.ls1.gamma': ['attn.gamma1.weight', 'gamma1.weight'],
    'blocks.*.ls2.gamma': ['ffn.gamma2.weight', 'gamma2.weight'],
    'blocks.*.norm1': ['ln1', 'norm1'],
    'blocks.*.attn.qkv': ['attn.qkv'],
    'blocks.*.attn.proj': ['attn.proj'],
    'blocks.*.norm2': ['ln2', 'norm2'],
    'blocks.*.mlp.fc1': ['ffn.layers.0.0', 'ffn.w12'],
    'blocks.*.mlp.fc2': ['ffn.layers.1', 'ffn.w3'],
    norm: ['ln1', 'norm1'],
    fc_norm: ['ln2', 'norm2'],
  },
  beside: {
    pre_logits: ['head.layers.pre_logits'],
    head: ['head.layers.head', 'head.head', 'head.fc'],
    head_dist: ['head.layers.head_dist', 'head.head_dist'],
  },
  dropped: [/^mask_token$/],
  epsilon: 1e-6,
  preNormEpsilon: 1e-5,
  resample: plainBicubic,
  resampledAs: 'mmpretrain',
} as const satisfies Naming;
