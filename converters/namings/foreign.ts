/** Architectures that look like a ViT of this family and compute something else, by tensors that they alone have. */
const signatures: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/(^|\.)blocks_token_only\.|attn\.proj_[lw]\.|class_attn/, 'a CaiT (class attention)'],
  [/(^|\.)cls_attn_blocks\.|local_mp\.|attn\.temperature$/, 'an XCiT (cross-covariance attention)'],
  [
    /rope_embeddings?\.|rope_embed\.periods|storage_tokens$|attn\.qkv\.bias_mask$/,
    'a DINOv3 (rotary position embeddings)',
  ],
  [/(^|\.)layers\.\d+\.blocks\.\d+\.attn\.(relative_position|logit_scale|cpb_mlp)/, 'a Swin transformer'],
  [/attn\.(pool|norm)_[qkv]\./, 'an MViTv2'],
  [/(^|\.)patch_embed\.norm\.(weight|bias)$/, 'an AIMv2 or another model with a norm in its patch embedding'],
  [/beit3\.|\.A\.(weight|bias)$/, 'a BEiT-3'],
  [
    /attn\.(inner_attn_ln|norm)\.(weight|bias)$|mlp\.(ffn_ln|norm)\.(weight|bias)$/,
    'a model with norms inside attention or MLP (sub-LN: EVA-02, BEiT-3)',
  ],
  [
    /(^|\.)layers\.\d+\.(downsample|blocks\.\d+\.attention\.self\.relative)|attn\.cpb_mlp\.|w_msa\./,
    'a Swin transformer',
  ],
  [
    /attn\.rel_pos_[hw]$|(^|\.)neck\.\d+\.|attention\.rel_pos_[hw]$/,
    'a SAM image encoder (windows, relative positions)',
  ],
  [
    /attn\.(rel_pos\.|rel_pos_bias\.)|shared_rel_pos\.|rel_pos\.mlp\.|rel_pos_mlp\./,
    'a ViT with relative positions (vit_relpos, vit_srelpos)',
  ],
  [/relative_position_bias|rel_pos_bias\.|relative_position_index/, 'a BEiT (relative position biases)'],
  [
    /attn\.rope\.|rope\.freqs|freqs_(cos|sin)$|(^|\.)rope\./,
    'a ViT with rotary position embeddings (EVA-02, RoPE-ViT)',
  ],
  [/attn\.[qv]_bias$/, 'a BEiT or an EVA (no bias for keys; rotary or relative positions)'],
  [/encoder\.layer\.\d+\.lambda_[12]$|data2vec/, 'a BEiT or Data2Vec'],
  [/lambda_(q1|k1|q2|k2|a|b)$|attn\.sub_norm\.|\.sub_norm\./, 'a ViT with differential attention'],
  [
    /blocks\.\d+\.(in_proj|in_norm|attn_out_proj)\./,
    'a ViT with attention and MLP in parallel (ViT-22B, ParallelScalingBlock)',
  ],
  [/attn\.gate\./, 'a ViT with gated attention'],
  [/attn\.gating_param$|attn\.pos_proj\./, 'a ConViT'],
  [
    /patch_embed(dings)?\.backbone\.|patch_embed\.proj\.backbone|conv_root\b|gn_root\b|embedder\.bit/,
    'a hybrid ViT (convolutional stem or ResNet backbone)',
  ],
  [
    /(^|\.)patch_embed\.(proj|conv|stem|0|1)\.\d+\.|patch_embed\.conv1\.|conv_stem\./,
    'a ViT with a convolutional stem',
  ],
  [/(^|\.)patch_embeds?\d+\.|(^|\.)block\d\.\d+\.|pos_block\./, 'a PVT, Twins or CoaT (pyramid of stages)'],
  [
    /attention_bias(es|_idxs)|(^|\.)blocks\.\d+\.m\.|linear\.c\.weight|\.bn\.running_mean$/,
    'a LeViT or another hybrid with batch norm',
  ],
  [/stages\.\d+\.blocks\.\d+\.(attn_block|attn_grid|conv\.)|\.attn_grid\./, 'a MaxViT or CoAtNet'],
  [/channel_block\.|spatial_block\./, 'a DaViT'],
  [/pixel_embed\.|attn_in\.|tokens_to_token\./, 'a TNT or T2T-ViT'],
  [/cross_attn\b|fusion\.\d|revert_projs/, 'a CrossViT, CaiT or decoder'],
  [/linear_tokens\.|mlp_tokens\.|affine\d?\.alpha|sgu\./, 'an MLP-Mixer, ResMLP or gMLP'],
  [/patch_generator\.|radio_model\./, 'a RADIO (patch generator)'],
  [
    /(^|\.)stages\.\d+\.|(^|\.)stem\.|(^|\.)layer4\.\d+\./,
    'a network in stages (a convolutional one, ViTamin, Swin …)',
  ],
  [/detection_tokens|mid_position_embeddings/, 'a YOLOS (detection tokens)'],
  [
    /blocks\.\d+\.attn\.[qkv]_proj\./,
    'an EVA or another ViT with rotary position embeddings (timm’s eva.py)',
  ],
  [/(^|\.)blocks\.\d+\.proj\.(weight|bias)$/, 'a Hiera'],
  [/(^|\.)levels\.\d+\./, 'a NesT'],
  [/(^|\.)transformers\.\d+\.(blocks|pool)\./, 'a PiT'],
  [/(^|\.)embeds\.(proj|pos_embed|cls_token)/, 'a NaFlexViT'],
  [/temporal_embed|time_embed|tubelet|spatial_attn/, 'a video transformer'],
  [/blocks\.\d+\.(moe|mlp\.experts|mlp\.router)/, 'a mixture of experts'],
  [
    /(^|\.)visual\.(conv1\.|class_embedding$|transformer\.resblocks\.)/,
    'a CLIP under OpenAI’s own names (Hugging Face’s and timm’s files of it are read)',
  ],
  [/(^|\.)to_patch_embedding\./, 'a ViT of lucidrains/vit-pytorch'],
  // Names of facebookresearch's beside timm's: timm's eva.py, whose rotary positions have no tensor.
  [
    /(^|\.)(reg_token$|norm_pre\.)|blocks\.\d+\.gamma_[12]$/,
    'a DINOv3, a Perception Encoder or another ViT with rotary position embeddings',
  ],
];

/** The name of the architecture that tensors of these names belong to, and the tensor that tells; undefined if none does. */
export function foreignArchitecture(
  names: Iterable<string>,
): { readonly name: string; readonly tensor: string } | undefined {
  let best: { rank: number; name: string; tensor: string } | undefined;
  for (const tensor of names) {
    for (const [rank, [pattern, name]] of signatures.entries()) {
      if (best && rank >= best.rank) break;
      if (pattern.test(tensor)) best = { rank, name, tensor };
    }
    if (best?.rank === 0) break;
  }
  return best && { name: best.name, tensor: best.tensor };
}

/** What libraries make of a model's weights, by names that they alone write, and how to get the weights back. */
const rewritten: readonly (readonly [pattern: RegExp, what: string, remedy: string])[] = [
  [
    /(^|\.)_packed_params(\.|$)|\.(qweight|qzeros|weight_scale(_inv)?|absmax|quant_map)$|\.quant_state\./,
    'quantised weights',
    'save the model as it was before it was quantised',
  ],
  [
    /\.\w+_mask$|\.(weight|bias)_orig$/,
    'weights beside a mask or in parts (pruning, spectral norm)',
    'torch.nn.utils.prune.remove() or remove_spectral_norm() makes them plain',
  ],
  [/\.lora_\w+(\.|$)|\.base_layer\./, 'adapters (LoRA)', 'merge them first (PEFT: merge_and_unload())'],
  [
    /\.parametrizations\.|\.weight_[gv]$/,
    'weights that are computed of others (parametrizations, weight norm)',
    'torch.nn.utils.parametrize.remove_parametrizations() or remove_weight_norm() makes them plain',
  ],
];

/** What was made of the weights, the tensor that tells and the remedy; undefined if their names do not tell. */
export function rewrittenWeights(
  names: readonly string[],
): { readonly what: string; readonly tensor: string; readonly remedy: string } | undefined {
  for (const [pattern, what, remedy] of rewritten) {
    const tensor = names.find((name) => pattern.test(name));
    if (tensor !== undefined) return { what, tensor, remedy };
  }
  return undefined;
}

/** Models whose tensors are those of a ViT of this family, told by their published names alone. */
const byName: readonly (readonly [RegExp, string])[] = [
  [
    /_rope(_|\b)|rope_(ape|mixed)|\beva02|_pe_(core|spatial|lang)|sapiens2|lingbot/i,
    'rotary position embeddings',
  ],
  [/_rpn_/i, 'norms behind attention and MLP instead of before'],
  [/dinov3/i, 'rotary position embeddings'],
  [/_prr_|\bprr\b/i, 'refinement of patch representations before the pooling'],
  [/beit3/i, 'norms inside attention and MLP'],
];

/** Why a model of this published name is none of this family; undefined if it may be. */
export function foreignByName(name: string): string | undefined {
  return byName.find(([pattern]) => pattern.test(name))?.[1];
}
