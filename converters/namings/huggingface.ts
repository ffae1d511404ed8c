import { plainBicubic } from '../resamplePosEmbed.js';
import type { Naming } from './types.js';

/** Query, key and value, in the names of before transformers 5 and of since. */
const attention = {
  'blocks.*.attn.qkv': [
    ['attention.attention.query', 'attention.attention.key', 'attention.attention.value'],
    ['attention.q_proj', 'attention.k_proj', 'attention.v_proj'],
  ],
  'blocks.*.attn.proj': ['attention.output.dense', 'attention.o_proj'],
} as const;

const embeddings = {
  patch_embed: ['embeddings.patch_embeddings.projection'],
  cls_token: ['embeddings.cls_token'],
  pos_embed: ['embeddings.position_embeddings'],
  norm: ['layernorm'],
} as const;

/** What the namings of transformers share. */
const shared = {
  name: 'huggingface',
  library: 'huggingface',
  blocks: ['encoder.layer.', 'layers.'],
  beside: { head: ['classifier'] },
  dropped: [/^embeddings\.mask_token$/],
  resample: plainBicubic,
  resampledAs: 'transformers',
} as const;

/** transformers' ViT, DeiT, ViTMAE and ViTMSN (modeling_vit.py, modeling_deit.py …). */
export const huggingfaceVit = {
  ...shared,
  blocksBeside: true,
  rows: {
    ...embeddings,
    ...attention,
    dist_token: ['embeddings.distillation_token'],
    'blocks.*.norm1': ['layernorm_before'],
    'blocks.*.norm2': ['layernorm_after'],
    'blocks.*.mlp.fc1': ['intermediate.dense', 'mlp.fc1'],
    'blocks.*.mlp.fc2': ['output.dense', 'mlp.fc2'],
    pre_logits: ['pooler.dense'],
  },
  beside: {
    head: ['cls_classifier', 'classifier', 'classifier.1', 'fc', 'head'],
    head_dist: ['distillation_classifier'],
  },
  epsilon: 1e-12,
} as const satisfies Naming;

/** transformers' Dinov2 (modeling_dinov2.py). */
export const huggingfaceDinov2 = {
  ...shared,
  rows: {
    ...embeddings,
    ...attention,
    'blocks.*.norm1': ['norm1'],
    'blocks.*.norm2': ['norm2'],
    'blocks.*.mlp.fc1': ['mlp.fc1', 'mlp.weights_in', ['mlp.gate_proj', 'mlp.up_proj']],
    'blocks.*.mlp.fc2': ['mlp.fc2', 'mlp.weights_out', 'mlp.down_proj'],
    'blocks.*.ls1.gamma': ['layer_scale1.lambda1'],
    'blocks.*.ls2.gamma': ['layer_scale2.lambda1'],
  },
  epsilon: 1e-6,
} as const satisfies Naming;

/** transformers' Dinov2WithRegisters, which resamples with antialias. */
export const huggingfaceDinov2Registers = {
  ...huggingfaceDinov2,
  rows: { ...huggingfaceDinov2.rows, reg_token: ['embeddings.register_tokens'] },
  tell: /^embeddings\.register_tokens$/,
  resample: { ...plainBicubic, antialias: true },
} as const satisfies Naming;

/** Blocks of CLIP's and SigLIP's vision towers. */
const tower = {
  'blocks.*.norm1': ['layer_norm1'],
  'blocks.*.attn.qkv': [['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj']],
  'blocks.*.attn.proj': ['self_attn.out_proj', 'self_attn.o_proj'],
  'blocks.*.norm2': ['layer_norm2'],
  'blocks.*.mlp.fc1': ['mlp.fc1'],
  'blocks.*.mlp.fc2': ['mlp.fc2'],
  patch_embed: ['embeddings.patch_embedding'],
  pos_embed: ['embeddings.position_embedding.weight'],
  norm: ['post_layernorm'],
} as const;

/** transformers' CLIP, the vision tower (modeling_clip.py). */
export const huggingfaceClip = {
  ...shared,
  blocks: ['encoder.layers.', 'layers.'],
  rows: { ...tower, cls_token: ['embeddings.class_embedding'], norm_pre: ['pre_layrnorm', 'pre_layernorm'] },
  beside: { head: ['classifier', 'visual_projection'] },
  dropped: [/^embeddings\.position_ids$/],
  tell: /^embeddings\.class_embedding$/,
  epsilon: 1e-5,
  activation: 'quick_gelu',
} as const satisfies Naming;

/**
 * transformers' SigLIP, the vision tower with its attention pooling (modeling_siglip.py), and towers without it, of
 * Idefics and SmolVLM too. CLIP's have a class token.
 */
export const huggingfaceSiglip = {
  ...shared,
  blocks: ['encoder.layers.', 'layers.'],
  rows: {
    ...tower,
    'attn_pool.latent': ['head.probe'],
    'attn_pool.q': [{ name: 'head.attention.in_proj_', thirds: [0, 1] }, 'head.attention.q_proj'],
    'attn_pool.kv': [
      { name: 'head.attention.in_proj_', thirds: [1, 3] },
      ['head.attention.k_proj', 'head.attention.v_proj'],
    ],
    'attn_pool.proj': ['head.attention.out_proj', 'head.attention.o_proj'],
    'attn_pool.norm': ['head.layernorm'],
    'attn_pool.mlp.fc1': ['head.mlp.fc1'],
    'attn_pool.mlp.fc2': ['head.mlp.fc2'],
  },
  beside: { head: ['classifier'] },
  dropped: [/^embeddings\.position_ids$/],
  epsilon: 1e-6,
  activation: 'gelu_tanh',
} as const satisfies Naming;
