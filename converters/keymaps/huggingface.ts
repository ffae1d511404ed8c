import type { KeyMap, Sources } from './types.js';

/** The model class puts `deit.` or `vit.` before the names of its encoder. */
const encoder = (...names: string[]): Sources =>
  ['deit', 'vit'].map((prefix) => {
    const prefixed = names.map((name) => `${prefix}.${name}`);
    return prefixed.length === 1 ? prefixed[0] : prefixed;
  });
const attention = 'encoder.layer.*.attention.attention';

/** Hugging Face transformers (modeling_deit.py, modeling_vit.py). */
export const huggingface: KeyMap = {
  name: 'huggingface',
  antialias: false,
  tensors: {
    cls_token: encoder('embeddings.cls_token'),
    dist_token: encoder('embeddings.distillation_token'),
    pos_embed: encoder('embeddings.position_embeddings'),
    'blocks.*.ls1.gamma': [],
    'blocks.*.ls2.gamma': [],
  },
  modules: {
    patch_embed: encoder('embeddings.patch_embeddings.projection'),
    'blocks.*.norm1': encoder('encoder.layer.*.layernorm_before'),
    'blocks.*.attn.qkv': encoder(`${attention}.query`, `${attention}.key`, `${attention}.value`),
    'blocks.*.attn.proj': encoder('encoder.layer.*.attention.output.dense'),
    'blocks.*.norm2': encoder('encoder.layer.*.layernorm_after'),
    'blocks.*.mlp.fc1': encoder('encoder.layer.*.intermediate.dense'),
    'blocks.*.mlp.fc2': encoder('encoder.layer.*.output.dense'),
    norm: encoder('layernorm'),
    head: ['cls_classifier', 'classifier'],
    head_dist: ['distillation_classifier'],
  },
  dropped: [/^(deit|vit)\.pooler\.dense\.(weight|bias)$/, /^(deit|vit)\.embeddings\.mask_token$/],
};
