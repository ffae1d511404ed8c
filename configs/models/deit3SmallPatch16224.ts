import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT III small at 224 pixels (arXiv 2204.07118; facebookresearch/deit models_v2.py, deit_small_patch16_LS).
 * Expect 81.4 top-1 when trained on ImageNet-1k (facebookresearch/deit, README_revenge):
 *
 *     deit eval deit_3_small_224_1k.pth imagenet/val --preset deit3
 */
export const deit3SmallPatch16224: ModelCard = {
  config: {
    name: 'deit3_small_patch16_224',
    imgSize: [224, 224],
    patchSize: 16,
    inChans: 3,
    numClasses: 1000,
    embedDim: 384,
    depth: 12,
    numHeads: 6,
    mlpRatio: 4,
    qkvBias: true,
    layerScale: 1e-4,
    distilled: false,
    posEmbedPrefix: false,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit_3_small_224'],
  preset: 'deit3',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_3_small_224_1k.pth',
  published: { official: { top1: 81.4, top5: null } },
};
