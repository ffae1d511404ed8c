import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-tiny distilled (arXiv 2012.12877, table 1; official file deit_tiny_distilled_patch16_224-b40b3cf7.pth).
 * Expect 74.476 top-1, 91.92 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_tiny_distilled_patch16_224-b40b3cf7.pth imagenet/val --preset deit
 */
export const deitTinyDistilledPatch16224: ModelCard = {
  config: {
    name: 'deit_tiny_distilled_patch16_224',
    imgSize: [224, 224],
    patchSize: 16,
    inChans: 3,
    numClasses: 1000,
    embedDim: 192,
    depth: 12,
    numHeads: 3,
    mlpRatio: 4,
    qkvBias: true,
    layerScale: null,
    distilled: true,
    posEmbedPrefix: true,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit-tiny-distilled_pt-4xb256_in1k'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_tiny_distilled_patch16_224-b40b3cf7.pth',
  published: { official: { top1: 74.476, top5: 91.92 }, mmpretrain: { top1: 74.51, top5: 91.9 } },
};
