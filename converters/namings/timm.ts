import { antialiasedBicubic } from '../resamplePosEmbed.js';
import { facebook, sharedRows } from './facebook.js';
import type { Naming } from './types.js';

/** timm (vision_transformer.py, deit.py): facebook's names, and those of its variants. */
export const timm = {
  ...facebook,
  name: 'timm',
  library: 'timm',
  rows: {
    ...sharedRows,
    dist_token: ['dist_token'],
    reg_token: ['reg_token'],
    norm_pre: ['norm_pre'],
    'blocks.*.ls1.gamma': ['ls1.gamma'],
    'blocks.*.ls2.gamma': ['ls2.gamma'],
    'blocks.*.attn.q_norm': ['attn.q_norm'],
    'blocks.*.attn.k_norm': ['attn.k_norm'],
    // SwiGLU in two layers; SwiGLUPacked has one, fc1.
    'blocks.*.mlp.fc1': ['mlp.fc1', ['mlp.fc1_g', 'mlp.fc1_x']],
    'blocks.*.attns.*.norm': ['attns.*.norm'],
    'blocks.*.attns.*.attn.qkv': ['attns.*.attn.qkv'],
    'blocks.*.attns.*.attn.q_norm': ['attns.*.attn.q_norm'],
    'blocks.*.attns.*.attn.k_norm': ['attns.*.attn.k_norm'],
    'blocks.*.attns.*.attn.proj': ['attns.*.attn.proj'],
    'blocks.*.attns.*.ls.gamma': ['attns.*.ls.gamma'],
    'blocks.*.ffns.*.norm': ['ffns.*.norm'],
    'blocks.*.ffns.*.mlp.fc1': ['ffns.*.mlp.fc1', ['ffns.*.mlp.fc1_g', 'ffns.*.mlp.fc1_x']],
    'blocks.*.ffns.*.mlp.fc2': ['ffns.*.mlp.fc2'],
    'blocks.*.ffns.*.ls.gamma': ['ffns.*.ls.gamma'],
    'attn_pool.latent': ['attn_pool.latent'],
    'attn_pool.q': ['attn_pool.q'],
    'attn_pool.kv': ['attn_pool.kv'],
    'attn_pool.proj': ['attn_pool.proj'],
    'attn_pool.norm': ['attn_pool.norm'],
    'attn_pool.mlp.fc1': ['attn_pool.mlp.fc1'],
    'attn_pool.mlp.fc2': ['attn_pool.mlp.fc2'],
    // Of its earlier versions.
    pre_logits: ['pre_logits.fc'],
    head_dist: ['head_dist'],
  },
  preNormEpsilon: 1e-5,
  resample: antialiasedBicubic,
  resampledAs: 'timm',
} as const satisfies Naming;
