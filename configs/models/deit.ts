import type { ModelEntry } from '../../src/families/modelEntry.js';

/*
 * DeiT (arXiv 2012.12877) and DeiT III (arXiv 2204.07118), one model a row.
 *
 * Accuracies are top-1 and top-5 in percent on ImageNet-1k's validation set. `official` is what facebookresearch/deit
 * prints: of DeiT its `--eval`, of DeiT III README_revenge.md, trained on ImageNet-1k. `mmpretrain` is that project's
 * page of DeiT. To see them:
 *
 *     deit eval deit_tiny_patch16_224-a1311bcf.pth imagenet/val --preset deit
 *     deit eval deit_3_base_224_1k.pth imagenet/val --preset deit3
 */

const at224 = { imgSize: [224, 224] } as const;
const at384 = { imgSize: [384, 384] } as const;
const patch16 = { patchSize: 16, inChans: 3, numClasses: 1000 } as const;
const patch14 = { ...patch16, patchSize: 14 } as const;

const tiny = { embedDim: 192, depth: 12, numHeads: 3 } as const;
const small = { embedDim: 384, depth: 12, numHeads: 6 } as const;
const medium = { embedDim: 512, depth: 12, numHeads: 8 } as const;
const base = { embedDim: 768, depth: 12, numHeads: 12 } as const;
const large = { embedDim: 1024, depth: 24, numHeads: 16 } as const;
const huge = { embedDim: 1280, depth: 32, numHeads: 16 } as const;

const plain = {
  mlpRatio: 4,
  qkvBias: true,
  layerScale: null,
  distilled: false,
  posEmbedPrefix: true,
  dropPathRate: 0,
  layerNormEps: 1e-6,
} as const;
const distilled = { ...plain, distilled: true } as const;
/** LayerScale, and position embeddings for the patches alone (facebookresearch/deit models_v2.py). */
const third = { ...plain, layerScale: 1e-4, posEmbedPrefix: false } as const;

const FILES = 'https://dl.fbaipublicfiles.com/deit';

export const deitModels: readonly ModelEntry[] = [
  // DeiT: trained at 224 pixels, the last two fine-tuned at 384.
  {
    config: { name: 'deit_tiny_patch16_224', ...at224, ...patch16, ...tiny, ...plain },
    aliases: ['deit-tiny_pt-4xb256_in1k'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_tiny_patch16_224-a1311bcf.pth`,
    published: { official: { top1: 72.202, top5: 91.124 }, mmpretrain: { top1: 72.13, top5: 91.13 } },
  },
  {
    config: { name: 'deit_tiny_distilled_patch16_224', ...at224, ...patch16, ...tiny, ...distilled },
    aliases: ['deit-tiny-distilled_pt-4xb256_in1k'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_tiny_distilled_patch16_224-b40b3cf7.pth`,
    published: { official: { top1: 74.476, top5: 91.92 }, mmpretrain: { top1: 74.51, top5: 91.9 } },
  },
  {
    config: { name: 'deit_small_patch16_224', ...at224, ...patch16, ...small, ...plain },
    aliases: ['deit-small_pt-4xb256_in1k'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_small_patch16_224-cd65a155.pth`,
    published: { official: { top1: 79.854, top5: 94.968 }, mmpretrain: { top1: 79.83, top5: 94.95 } },
  },
  {
    config: { name: 'deit_small_distilled_patch16_224', ...at224, ...patch16, ...small, ...distilled },
    aliases: ['deit-small-distilled_pt-4xb256_in1k'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_small_distilled_patch16_224-649709d9.pth`,
    published: { official: { top1: 81.164, top5: 95.376 }, mmpretrain: { top1: 81.17, top5: 95.4 } },
  },
  {
    config: { name: 'deit_base_patch16_224', ...at224, ...patch16, ...base, ...plain },
    aliases: ['deit-base_pt-16xb64_in1k'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_base_patch16_224-b5f2ef4d.pth`,
    published: { official: { top1: 81.846, top5: 95.594 }, mmpretrain: { top1: 81.79, top5: 95.59 } },
  },
  {
    config: { name: 'deit_base_distilled_patch16_224', ...at224, ...patch16, ...base, ...distilled },
    aliases: ['deit-base-distilled_pt-16xb64_in1k'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_base_distilled_patch16_224-df68dfff.pth`,
    published: { official: { top1: 83.372, top5: 96.482 }, mmpretrain: { top1: 83.33, top5: 96.49 } },
  },
  {
    config: { name: 'deit_base_patch16_384', ...at384, ...patch16, ...base, ...plain },
    aliases: ['deit-base_ft-16xb32_in1k-384px'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_base_patch16_384-8de9b5d1.pth`,
    published: { official: { top1: 82.89, top5: 96.222 }, mmpretrain: { top1: 83.04, top5: 96.31 } },
  },
  {
    config: { name: 'deit_base_distilled_patch16_384', ...at384, ...patch16, ...base, ...distilled },
    aliases: ['deit-base-distilled_ft-16xb32_in1k-384px'],
    preset: 'deit',
    checkpoint: `${FILES}/deit_base_distilled_patch16_384-d0272ac0.pth`,
    published: { official: { top1: 85.224, top5: 97.186 }, mmpretrain: { top1: 85.55, top5: 97.35 } },
  },
  // DeiT III.
  {
    config: { name: 'deit3_small_patch16_224', ...at224, ...patch16, ...small, ...third },
    aliases: ['deit_3_small_224'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_small_224_1k.pth`,
    published: { official: { top1: 81.4, top5: null } },
  },
  {
    config: { name: 'deit3_small_patch16_384', ...at384, ...patch16, ...small, ...third },
    aliases: ['deit_3_small_384'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_small_384_1k.pth`,
    published: { official: { top1: 83.4, top5: null } },
  },
  {
    config: { name: 'deit3_medium_patch16_224', ...at224, ...patch16, ...medium, ...third },
    aliases: ['deit_3_medium_224'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_medium_224_1k.pth`,
    published: { official: { top1: null, top5: null } },
  },
  {
    config: { name: 'deit3_medium_patch16_384', ...at384, ...patch16, ...medium, ...third },
    aliases: ['deit_3_medium_384'],
    preset: 'deit3',
    published: { official: { top1: null, top5: null } },
  },
  {
    config: { name: 'deit3_base_patch16_224', ...at224, ...patch16, ...base, ...third },
    aliases: ['deit_3_base_224'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_base_224_1k.pth`,
    published: { official: { top1: 83.8, top5: null } },
  },
  {
    config: { name: 'deit3_base_patch16_384', ...at384, ...patch16, ...base, ...third },
    aliases: ['deit_3_base_384'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_base_384_1k.pth`,
    published: { official: { top1: 85, top5: null } },
  },
  {
    config: { name: 'deit3_large_patch16_224', ...at224, ...patch16, ...large, ...third },
    aliases: ['deit_3_large_224'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_large_224_1k.pth`,
    published: { official: { top1: 84.9, top5: null } },
  },
  {
    config: { name: 'deit3_large_patch16_384', ...at384, ...patch16, ...large, ...third },
    aliases: ['deit_3_large_384'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_large_384_1k.pth`,
    published: { official: { top1: 85.8, top5: null } },
  },
  {
    config: { name: 'deit3_huge_patch14_224', ...at224, ...patch14, ...huge, ...third },
    aliases: ['deit_3_huge_224'],
    preset: 'deit3',
    checkpoint: `${FILES}/deit_3_huge_224_1k.pth`,
    published: { official: { top1: 85.2, top5: null } },
  },
  {
    config: { name: 'deit3_huge_patch14_384', ...at384, ...patch14, ...huge, ...third },
    aliases: ['deit_3_huge_384'],
    preset: 'deit3',
    published: { official: { top1: null, top5: null } },
  },
];
