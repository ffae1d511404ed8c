import { cornersBilinear } from '../resamplePosEmbed.js';
import type { Naming } from './types.js';

const ATTENTION = ['MultiHeadDotProductAttention_1', 'MultiHeadDotProductAttention_0'] as const;
const MLP = ['MlpBlock_3', 'MlpBlock_0'] as const;

/**
 * google-research/vision_transformer (augreg and before) and big_vision, .npz: Flax numbers the modules of a block in the
 * first (attention 1, second norm 2, MLP 3), each kind by itself in the second. big_vision's scanned blocks are one
 * `encoderblock` with the depth as first axis.
 */
export const google = {
  name: 'google',
  library: 'google',
  layout: 'flax',
  blocks: ['Transformer/encoderblock_', 'Transformer/encoderblock/'],
  rows: {
    patch_embed: ['embedding'],
    cls_token: ['cls'],
    pos_embed: ['Transformer/posembed_input/pos_embedding', 'pos_embedding'],
    'blocks.*.norm1': ['LayerNorm_0'],
    'blocks.*.attn.qkv': ATTENTION.map((name) => [`${name}/query`, `${name}/key`, `${name}/value`]),
    'blocks.*.attn.proj': ATTENTION.map((name) => `${name}/out`),
    'blocks.*.norm2': ['LayerNorm_2', 'LayerNorm_1'],
    'blocks.*.mlp.fc1': MLP.map((name) => `${name}/Dense_0`),
    'blocks.*.mlp.fc2': MLP.map((name) => `${name}/Dense_1`),
    norm: ['Transformer/encoder_norm'],
    'attn_pool.latent': ['MAPHead_0/probe'],
    'attn_pool.q': ['MAPHead_0/MultiHeadDotProductAttention_0/query'],
    'attn_pool.kv': [
      ['MAPHead_0/MultiHeadDotProductAttention_0/key', 'MAPHead_0/MultiHeadDotProductAttention_0/value'],
    ],
    'attn_pool.proj': ['MAPHead_0/MultiHeadDotProductAttention_0/out'],
    'attn_pool.norm': ['MAPHead_0/LayerNorm_0'],
    'attn_pool.mlp.fc1': ['MAPHead_0/MlpBlock_0/Dense_0'],
    'attn_pool.mlp.fc2': ['MAPHead_0/MlpBlock_0/Dense_1'],
    pre_logits: ['pre_logits'],
    head: ['head'],
  },
  beside: {},
  dropped: [],
  epsilon: 1e-6,
  resample: cornersBilinear,
  resampledAs: 'google-research/vision_transformer',
} as const satisfies Naming;
