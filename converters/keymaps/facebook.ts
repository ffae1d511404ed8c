import type { KeyMap } from './types.js';

/** facebookresearch/deit (models.py, models_v2.py). */
export const facebook: KeyMap = {
  name: 'facebook',
  antialias: false,
  tensors: {
    cls_token: ['cls_token'],
    dist_token: ['dist_token'],
    pos_embed: ['pos_embed'],
    'blocks.*.ls1.gamma': ['blocks.*.gamma_1'],
    'blocks.*.ls2.gamma': ['blocks.*.gamma_2'],
  },
  modules: {
    patch_embed: ['patch_embed.proj'],
    'blocks.*.norm1': ['blocks.*.norm1'],
    'blocks.*.attn.qkv': ['blocks.*.attn.qkv'],
    'blocks.*.attn.proj': ['blocks.*.attn.proj'],
    'blocks.*.norm2': ['blocks.*.norm2'],
    'blocks.*.mlp.fc1': ['blocks.*.mlp.fc1'],
    'blocks.*.mlp.fc2': ['blocks.*.mlp.fc2'],
    norm: ['norm'],
    head: ['head'],
    head_dist: ['head_dist'],
  },
  dropped: [],
};
