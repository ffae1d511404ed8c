import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-small (arXiv 2012.12877, table 1; official file deit_small_patch16_224-cd65a155.pth).
 * Expect 79.854 top-1, 94.968 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_small_patch16_224-cd65a155.pth imagenet/val --preset deit
 */
export const deitSmallPatch16224: ModelCard = {
  config: {
    name: 'deit_small_patch16_224',
    imgSize: [224, 224],
    patchSize: 16,
    inChans: 3,
    numClasses: 1000,
    embedDim: 384,
    depth: 12,
    numHeads: 6,
    mlpRatio: 4,
    qkvBias: true,
    layerScale: null,
    distilled: false,
    posEmbedPrefix: true,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit-small_pt-4xb256_in1k'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_small_patch16_224-cd65a155.pth',
  published: { official: { top1: 79.854, top5: 94.968 }, mmpretrain: { top1: 79.83, top5: 94.95 } },
};
