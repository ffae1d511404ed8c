import { plainBicubic } from '../resamplePosEmbed.js';
import type { Naming } from './types.js';

/** torchvision (models/vision_transformer.py). Its published files have the MLP's older names. */
export const torchvision = {
  name: 'torchvision',
  library: 'torchvision',
  blocks: ['encoder.layers.encoder_layer_'],
  rows: {
    patch_embed: ['conv_proj'],
    cls_token: ['class_token'],
    pos_embed: ['encoder.pos_embedding'],
    'blocks.*.norm1': ['ln_1'],
    'blocks.*.attn.qkv': ['self_attention.in_proj_'],
    'blocks.*.attn.proj': ['self_attention.out_proj'],
    'blocks.*.norm2': ['ln_2'],
    'blocks.*.mlp.fc1': ['mlp.0', 'mlp.linear_1'],
    'blocks.*.mlp.fc2': ['mlp.3', 'mlp.linear_2'],
    norm: ['encoder.ln'],
    pre_logits: ['heads.pre_logits'],
    head: ['heads.head', 'heads.0', 'heads.1', 'heads', 'heads.head.1'],
  },
  beside: { head: ['head', 'fc', 'classifier', '1'] },
  dropped: [],
  epsilon: 1e-6,
  // interpolate_embeddings aligns the corners.
  resample: { ...plainBicubic, alignCorners: true },
  resampledAs: 'torchvision',
} as const satisfies Naming;
