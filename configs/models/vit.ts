import type { KnownModel, TimmHubModel } from '../../src/families/modelEntry.js';

/*
 * Well-known ViTs beside DeiT, one a row: where they are, the shape as timm names it, the preset with which their
 * authors evaluate them, and what was published, in percent on ImageNet-1k's validation set. To see it:
 *
 *     deit eval hf:timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k imagenet/val
 */

/** Where timm publishes how it measured its models. */
export const TIMM_RESULTS =
  'https://github.com/huggingface/pytorch-image-models/blob/main/results/results-imagenet.csv';

/** Models of timm on the hub, as `timm/NAME`: [name, preset, top-1, top-5]; without a preset their config.json alone tells. */
export const timmHubModels: readonly TimmHubModel[] = [
  ['vit_tiny_patch16_224.augreg_in21k_ft_in1k', 'augreg', 75.452, 92.858],
  ['vit_tiny_patch16_384.augreg_in21k_ft_in1k', 'augreg', 78.438, 94.542],
  ['vit_small_patch32_224.augreg_in21k_ft_in1k', 'augreg', 76.01, 93.266],
  ['vit_small_patch16_224.augreg_in1k', 'augreg', 78.842, 94.28],
  ['vit_small_patch16_224.augreg_in21k_ft_in1k', 'augreg', 81.402, 96.15],
  ['vit_small_patch16_384.augreg_in21k_ft_in1k', 'augreg', 83.814, 97.106],
  ['vit_base_patch32_224.augreg_in21k_ft_in1k', 'augreg', 80.732, 95.574],
  ['vit_base_patch32_384.augreg_in21k_ft_in1k', 'augreg', 83.358, 96.828],
  ['vit_base_patch16_224.augreg_in1k', 'augreg', 79.154, 94.108],
  ['vit_base_patch16_224.augreg_in21k_ft_in1k', 'augreg', 84.534, 97.3],
  ['vit_base_patch16_224.augreg2_in21k_ft_in1k', 'augreg', 85.108, 97.53],
  ['vit_base_patch16_224.orig_in21k_ft_in1k', 'augreg', 81.782, 96.122],
  ['vit_base_patch16_224.sam_in1k', 'augreg', 80.246, 94.764],
  ['vit_base_patch16_384.augreg_in21k_ft_in1k', 'augreg', 86.01, 97.998],
  ['vit_base_patch16_384.orig_in21k_ft_in1k', 'augreg', 84.212, 97.21],
  ['vit_base_patch8_224.augreg2_in21k_ft_in1k', 'augreg', 86.252, 97.84],
  ['vit_large_patch16_224.augreg_in21k_ft_in1k', 'augreg', 85.856, 97.822],
  ['vit_large_patch16_384.augreg_in21k_ft_in1k', 'augreg', 87.096, 98.302],
  ['vit_large_patch32_384.orig_in21k_ft_in1k', 'augreg', 81.508, 96.086],
  ['vit_base_patch16_224_miil.in21k_ft_in1k', null, 84.278, 96.798],
  ['flexivit_small.1200ep_in1k', null, 82.576, 96.152],
  ['flexivit_base.1200ep_in1k', null, 84.678, 96.98],
  ['flexivit_large.1200ep_in1k', null, 85.646, 97.546],
  ['vit_medium_patch16_gap_256.sw_in12k_ft_in1k', null, 84.442, 97.214],
  ['vit_betwixt_patch16_reg4_gap_256.sbb_in1k', null, 83.71, 96.616],
  ['vit_base_patch16_clip_224.openai_ft_in1k', null, 85.282, 97.448],
  ['vit_base_patch16_clip_224.laion2b_ft_in12k_in1k', null, 86.204, 97.762],
  ['vit_large_patch14_clip_336.openai_ft_in12k_in1k', null, 88.26, 98.524],
  ['vit_so400m_patch14_siglip_378.webli_ft_in1k', 'siglip', 89.41, 98.854],
  ['deit3_small_patch16_224.fb_in22k_ft_in1k', 'deit3', 83.082, 96.774],
  ['deit3_base_patch16_224.fb_in22k_ft_in1k', 'deit3', 85.728, 97.746],
  ['deit3_large_patch16_384.fb_in22k_ft_in1k', 'deit3', 87.736, 98.508],
];

const GOOGLE = 'https://github.com/google-research/vision_transformer/blob/main/README.md';
const DINO = 'https://github.com/facebookresearch/dino/blob/main/README.md';
const DINOV2 = 'https://github.com/facebookresearch/dinov2/blob/main/README.md';
const MAE = 'https://github.com/facebookresearch/mae/blob/main/FINETUNE.md';
const MOCO = 'https://github.com/facebookresearch/moco-v3/blob/main/README.md';
const TORCHVISION = 'https://github.com/pytorch/vision/blob/main/torchvision/models/vision_transformer.py';
const META = 'https://dl.fbaipublicfiles.com';
const PYTORCH = 'https://download.pytorch.org/models';

const hugging = {
  library: 'huggingface',
  preset: 'huggingface-vit',
  fields: { layerNormEps: 1e-12 },
} as const;
const dino = { library: 'dino', preset: 'deit', source: DINO } as const;
const dinov2 = { library: 'dinov2', preset: 'dinov2', source: DINOV2 } as const;
const mae = { library: 'mae', preset: 'mae', source: MAE } as const;
const meanNorm = { fields: { pool: 'mean', finalNorm: false, fcNorm: true } } as const;
const moco = { library: 'moco', preset: 'deit', source: MOCO } as const;
const tv = { library: 'torchvision', preset: 'torchvision', source: TORCHVISION } as const;
const swag = { ...tv, preset: 'torchvision-swag' } as const;
const clip = { library: 'huggingface', preset: 'clip' } as const;
const siglip = { library: 'huggingface', preset: 'siglip' } as const;

/** `linear` and `knn` are top-1 of a linear classifier and of neighbours on a backbone's features. */
export const vitModels: readonly KnownModel[] = [
  // Hugging Face; of their accuracy google-research says what to expect of the weights.
  {
    ...hugging,
    hub: 'google/vit-base-patch16-224',
    arch: 'vit_base_patch16_224',
    numClasses: 1000,
    published: { top1: 81.2 },
    source: GOOGLE,
  },
  { ...hugging, hub: 'google/vit-base-patch16-384', arch: 'vit_base_patch16_384', numClasses: 1000 },
  { ...hugging, hub: 'google/vit-base-patch32-384', arch: 'vit_base_patch32_384', numClasses: 1000 },
  {
    ...hugging,
    hub: 'google/vit-large-patch16-224',
    arch: 'vit_large_patch16_224',
    numClasses: 1000,
    published: { top1: 82.7 },
    source: GOOGLE,
  },
  { ...hugging, hub: 'google/vit-large-patch16-384', arch: 'vit_large_patch16_384', numClasses: 1000 },
  { ...hugging, hub: 'google/vit-large-patch32-384', arch: 'vit_large_patch32_384', numClasses: 1000 },
  { ...hugging, hub: 'google/vit-base-patch16-224-in21k', arch: 'vit_base_patch16_224', numClasses: 0 },
  { ...hugging, hub: 'google/vit-large-patch16-224-in21k', arch: 'vit_large_patch16_224', numClasses: 0 },
  { ...hugging, hub: 'google/vit-huge-patch14-224-in21k', arch: 'vit_huge_patch14_224', numClasses: 0 },
  {
    ...clip,
    hub: 'openai/clip-vit-base-patch32',
    arch: 'vit_base_patch32_clip_quickgelu_224',
    numClasses: 0,
  },
  {
    ...clip,
    hub: 'openai/clip-vit-base-patch16',
    arch: 'vit_base_patch16_clip_quickgelu_224',
    numClasses: 0,
  },
  {
    ...clip,
    hub: 'openai/clip-vit-large-patch14',
    arch: 'vit_large_patch14_clip_quickgelu_224',
    numClasses: 0,
  },
  {
    ...clip,
    hub: 'openai/clip-vit-large-patch14-336',
    arch: 'vit_large_patch14_clip_quickgelu_336',
    numClasses: 0,
  },
  {
    ...siglip,
    hub: 'google/siglip-base-patch16-224',
    arch: 'vit_base_patch16_siglip_224',
    fields: { activation: 'gelu_tanh' },
    numClasses: 0,
  },
  {
    ...siglip,
    hub: 'google/siglip-so400m-patch14-384',
    arch: 'vit_so400m_patch14_siglip_384',
    fields: { activation: 'gelu_tanh' },
    numClasses: 0,
  },

  // facebookresearch/dino.
  {
    ...dino,
    hub: 'facebook/dino-vits16',
    checkpoint: `${META}/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth`,
    arch: 'vit_small_patch16_224',
    numClasses: 0,
    published: { linear: 77, knn: 74.5 },
  },
  {
    ...dino,
    hub: 'facebook/dino-vits8',
    checkpoint: `${META}/dino/dino_deitsmall8_pretrain/dino_deitsmall8_pretrain.pth`,
    arch: 'vit_small_patch8_224',
    numClasses: 0,
    published: { linear: 79.7, knn: 78.3 },
  },
  {
    ...dino,
    hub: 'facebook/dino-vitb16',
    checkpoint: `${META}/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth`,
    arch: 'vit_base_patch16_224',
    numClasses: 0,
    published: { linear: 78.2, knn: 76.1 },
  },
  {
    ...dino,
    hub: 'facebook/dino-vitb8',
    checkpoint: `${META}/dino/dino_vitbase8_pretrain/dino_vitbase8_pretrain.pth`,
    arch: 'vit_base_patch8_224',
    numClasses: 0,
    published: { linear: 80.1, knn: 77.4 },
  },

  // facebookresearch/dinov2.
  {
    ...dinov2,
    hub: 'facebook/dinov2-small',
    checkpoint: `${META}/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth`,
    arch: 'vit_small_patch14_dinov2',
    numClasses: 0,
    published: { linear: 81.1, knn: 79 },
  },
  {
    ...dinov2,
    hub: 'facebook/dinov2-base',
    checkpoint: `${META}/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth`,
    arch: 'vit_base_patch14_dinov2',
    numClasses: 0,
    published: { linear: 84.5, knn: 82.1 },
  },
  {
    ...dinov2,
    hub: 'facebook/dinov2-large',
    checkpoint: `${META}/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth`,
    arch: 'vit_large_patch14_dinov2',
    numClasses: 0,
    published: { linear: 86.3, knn: 83.5 },
  },
  {
    ...dinov2,
    hub: 'facebook/dinov2-giant',
    checkpoint: `${META}/dinov2/dinov2_vitg14/dinov2_vitg14_pretrain.pth`,
    arch: 'vit_giant_patch14_dinov2',
    numClasses: 0,
    published: { linear: 86.5, knn: 83.5 },
  },
  {
    ...dinov2,
    hub: 'facebook/dinov2-with-registers-small',
    checkpoint: `${META}/dinov2/dinov2_vits14/dinov2_vits14_reg4_pretrain.pth`,
    arch: 'vit_small_patch14_reg4_dinov2',
    numClasses: 0,
    published: { linear: 80.9, knn: 79.1 },
  },
  {
    ...dinov2,
    hub: 'facebook/dinov2-with-registers-base',
    checkpoint: `${META}/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth`,
    arch: 'vit_base_patch14_reg4_dinov2',
    numClasses: 0,
    published: { linear: 84.6, knn: 82 },
  },
  {
    ...dinov2,
    hub: 'facebook/dinov2-with-registers-large',
    checkpoint: `${META}/dinov2/dinov2_vitl14/dinov2_vitl14_reg4_pretrain.pth`,
    arch: 'vit_large_patch14_reg4_dinov2',
    numClasses: 0,
    published: { linear: 86.7, knn: 83.8 },
  },
  {
    ...dinov2,
    hub: 'facebook/dinov2-with-registers-giant',
    checkpoint: `${META}/dinov2/dinov2_vitg14/dinov2_vitg14_reg4_pretrain.pth`,
    arch: 'vit_giant_patch14_reg4_dinov2',
    numClasses: 0,
    published: { linear: 87.1, knn: 83.7 },
  },

  // facebookresearch/mae, fine-tuned; on the hub are the pretrained ones.
  {
    ...mae,
    ...meanNorm,
    checkpoint: `${META}/mae/finetune/mae_finetuned_vit_base.pth`,
    arch: 'vit_base_patch16_224',
    numClasses: 1000,
    published: { top1: 83.664, top5: 96.53 },
  },
  {
    ...mae,
    ...meanNorm,
    checkpoint: `${META}/mae/finetune/mae_finetuned_vit_large.pth`,
    arch: 'vit_large_patch16_224',
    numClasses: 1000,
    published: { top1: 85.952, top5: 97.57 },
  },
  {
    ...mae,
    ...meanNorm,
    checkpoint: `${META}/mae/finetune/mae_finetuned_vit_huge.pth`,
    arch: 'vit_huge_patch14_224',
    numClasses: 1000,
    published: { top1: 86.928, top5: 98.088 },
  },
  {
    library: 'mae',
    preset: 'mae',
    hub: 'facebook/vit-mae-base',
    arch: 'vit_base_patch16_224',
    numClasses: 0,
  },
  {
    library: 'mae',
    preset: 'mae',
    hub: 'facebook/vit-mae-large',
    arch: 'vit_large_patch16_224',
    numClasses: 0,
  },
  {
    library: 'mae',
    preset: 'mae',
    hub: 'facebook/vit-mae-huge',
    arch: 'vit_huge_patch14_224',
    numClasses: 0,
  },

  // facebookresearch/moco-v3, whose small model has 12 heads.
  {
    ...moco,
    checkpoint: `${META}/moco-v3/vit-s-300ep/linear-vit-s-300ep.pth.tar`,
    arch: 'vit_small_patch16_224',
    fields: { numHeads: 12 },
    numClasses: 1000,
    published: { linear: 73.2 },
  },
  {
    ...moco,
    checkpoint: `${META}/moco-v3/vit-b-300ep/linear-vit-b-300ep.pth.tar`,
    arch: 'vit_base_patch16_224',
    numClasses: 1000,
    published: { linear: 76.7 },
  },

  // torchvision; SWAG are weights that were trained on hashtags (arXiv 2201.08371).
  {
    ...tv,
    checkpoint: `${PYTORCH}/vit_b_16-c867db91.pth`,
    arch: 'vit_base_patch16_224',
    numClasses: 1000,
    published: { top1: 81.072, top5: 95.318 },
  },
  {
    ...tv,
    checkpoint: `${PYTORCH}/vit_b_32-d86f8d99.pth`,
    arch: 'vit_base_patch32_224',
    numClasses: 1000,
    published: { top1: 75.912, top5: 92.466 },
  },
  {
    ...tv,
    checkpoint: `${PYTORCH}/vit_l_16-852ce7e3.pth`,
    preset: 'torchvision-l16',
    arch: 'vit_large_patch16_224',
    numClasses: 1000,
    published: { top1: 79.662, top5: 94.638 },
  },
  {
    ...tv,
    checkpoint: `${PYTORCH}/vit_l_32-c7638314.pth`,
    arch: 'vit_large_patch32_224',
    numClasses: 1000,
    published: { top1: 76.972, top5: 93.07 },
  },
  {
    ...swag,
    checkpoint: `${PYTORCH}/vit_b_16_swag-9ac1b537.pth`,
    arch: 'vit_base_patch16_384',
    numClasses: 1000,
    published: { top1: 85.304, top5: 97.65 },
  },
  {
    ...swag,
    checkpoint: `${PYTORCH}/vit_l_16_swag-4f3808c9.pth`,
    arch: 'vit_large_patch16_384',
    imgSize: 512,
    numClasses: 1000,
    published: { top1: 88.064, top5: 98.512 },
  },
  {
    ...swag,
    checkpoint: `${PYTORCH}/vit_h_14_swag-80465313.pth`,
    arch: 'vit_huge_patch14_224',
    imgSize: 518,
    numClasses: 1000,
    published: { top1: 88.552, top5: 98.694 },
  },
  {
    ...swag,
    checkpoint: `${PYTORCH}/vit_b_16_lc_swag-4e70ced5.pth`,
    arch: 'vit_base_patch16_224',
    numClasses: 1000,
    published: { top1: 81.886, top5: 96.18 },
  },
  {
    ...swag,
    checkpoint: `${PYTORCH}/vit_l_16_lc_swag-4d563306.pth`,
    arch: 'vit_large_patch16_224',
    numClasses: 1000,
    published: { top1: 85.146, top5: 97.422 },
  },
  {
    ...swag,
    checkpoint: `${PYTORCH}/vit_h_14_lc_swag-c1eb923e.pth`,
    arch: 'vit_huge_patch14_224',
    numClasses: 1000,
    published: { top1: 85.708, top5: 97.73 },
  },
];
