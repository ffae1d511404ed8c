import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-tiny (arXiv 2012.12877, table 1; official file deit_tiny_patch16_224-a1311bcf.pth).
 * Expect 72.202 top-1, 91.124 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_tiny_patch16_224-a1311bcf.pth imagenet/val --preset deit
 */
export const deitTinyPatch16224: ModelCard = {
  config: {
    name: 'deit_tiny_patch16_224',
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
    distilled: false,
    posEmbedPrefix: true,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit-tiny_pt-4xb256_in1k'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth',
  published: { official: { top1: 72.202, top5: 91.124 }, mmpretrain: { top1: 72.13, top5: 91.13 } },
};
