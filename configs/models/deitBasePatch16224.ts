import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-base (arXiv 2012.12877, table 1; official file deit_base_patch16_224-b5f2ef4d.pth).
 * Expect 81.846 top-1, 95.594 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_base_patch16_224-b5f2ef4d.pth imagenet/val --preset deit
 */
export const deitBasePatch16224: ModelCard = {
  config: {
    name: 'deit_base_patch16_224',
    imgSize: [224, 224],
    patchSize: 16,
    inChans: 3,
    numClasses: 1000,
    embedDim: 768,
    depth: 12,
    numHeads: 12,
    mlpRatio: 4,
    qkvBias: true,
    layerScale: null,
    distilled: false,
    posEmbedPrefix: true,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit-base_pt-16xb64_in1k'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_base_patch16_224-b5f2ef4d.pth',
  published: { official: { top1: 81.846, top5: 95.594 }, mmpretrain: { top1: 81.79, top5: 95.59 } },
};
