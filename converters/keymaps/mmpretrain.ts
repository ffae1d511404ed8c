import type { KeyMap } from './types.js';

/** mmpretrain, and the mmcls of before (mmpretrain/models/backbones/{deit,deit3,vision_transformer}.py). */
export const mmpretrain: KeyMap = {
  name: 'mmpretrain',
  antialias: false,
  tensors: {
    cls_token: ['backbone.cls_token'],
    dist_token: ['backbone.dist_token'],
    pos_embed: ['backbone.pos_embed'],
    'blocks.*.ls1.gamma': ['backbone.layers.*.attn.gamma1.weight'],
    'blocks.*.ls2.gamma': ['backbone.layers.*.ffn.gamma2.weight'],
  },
  modules: {
    patch_embed: ['backbone.patch_embed.projection'],
    'blocks.*.norm1': ['backbone.layers.*.ln1', 'backbone.layers.*.norm1'],
    'blocks.*.attn.qkv': ['backbone.layers.*.attn.qkv'],
    'blocks.*.attn.proj': ['backbone.layers.*.attn.proj'],
    'blocks.*.norm2': ['backbone.layers.*.ln2', 'backbone.layers.*.norm2'],
    'blocks.*.mlp.fc1': ['backbone.layers.*.ffn.layers.0.0'],
    'blocks.*.mlp.fc2': ['backbone.layers.*.ffn.layers.1'],
    norm: ['backbone.ln1', 'backbone.norm1'],
    head: ['head.layers.head', 'head.head', 'head.fc'],
    head_dist: ['head.layers.head_dist', 'head.head_dist'],
  },
  dropped: [/^data_preprocessor\.(mean|std)$/],
};
