import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-small distilled (arXiv 2012.12877, table 1; official file deit_small_distilled_patch16_224-649709d9.pth).
 * Expect 81.164 top-1, 95.376 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_small_distilled_patch16_224-649709d9.pth imagenet/val --preset deit
 */
export const deitSmallDistilledPatch16224: ModelCard = {
  config: {
    name: 'deit_small_distilled_patch16_224',
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
    distilled: true,
    posEmbedPrefix: true,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit-small-distilled_pt-4xb256_in1k'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_small_distilled_patch16_224-649709d9.pth',
  published: { official: { top1: 81.164, top5: 95.376 }, mmpretrain: { top1: 81.17, top5: 95.4 } },
};
