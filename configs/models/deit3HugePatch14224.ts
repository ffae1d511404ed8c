import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT III huge at 224 pixels (arXiv 2204.07118; facebookresearch/deit models_v2.py, deit_huge_patch14_LS).
 * Expect 85.2 top-1 when trained on ImageNet-1k (facebookresearch/deit, README_revenge):
 *
 *     deit eval deit_3_huge_224_1k.pth imagenet/val --preset deit3
 */
export const deit3HugePatch14224: ModelCard = {
  config: {
    name: 'deit3_huge_patch14_224',
    imgSize: [224, 224],
    patchSize: 14,
    inChans: 3,
    numClasses: 1000,
    embedDim: 1280,
    depth: 32,
    numHeads: 16,
    mlpRatio: 4,
    qkvBias: true,
    layerScale: 1e-4,
    distilled: false,
    posEmbedPrefix: false,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit_3_huge_224'],
  preset: 'deit3',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_3_huge_224_1k.pth',
  published: { official: { top1: 85.2, top5: null } },
};
