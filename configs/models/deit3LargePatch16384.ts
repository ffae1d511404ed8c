import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT III large at 384 pixels (arXiv 2204.07118; facebookresearch/deit models_v2.py, deit_large_patch16_LS).
 * Expect 85.8 top-1 when trained on ImageNet-1k (facebookresearch/deit, README_revenge):
 *
 *     deit eval deit_3_large_384_1k.pth imagenet/val --preset deit3
 */
export const deit3LargePatch16384: ModelCard = {
  config: {
    name: 'deit3_large_patch16_384',
    imgSize: [384, 384],
    patchSize: 16,
    inChans: 3,
    numClasses: 1000,
    embedDim: 1024,
    depth: 24,
    numHeads: 16,
    mlpRatio: 4,
    qkvBias: true,
    layerScale: 1e-4,
    distilled: false,
    posEmbedPrefix: false,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit_3_large_384'],
  preset: 'deit3',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_3_large_384_1k.pth',
  published: { official: { top1: 85.8, top5: null } },
};
