import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-base, fine-tuned at 384 pixels (arXiv 2012.12877, table 1; official file deit_base_patch16_384-8de9b5d1.pth).
 * Expect 82.89 top-1, 96.222 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_base_patch16_384-8de9b5d1.pth imagenet/val --preset deit
 */
export const deitBasePatch16384: ModelCard = {
  config: {
    name: 'deit_base_patch16_384',
    imgSize: [384, 384],
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
  aliases: ['deit-base_ft-16xb32_in1k-384px'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_base_patch16_384-8de9b5d1.pth',
  published: { official: { top1: 82.89, top5: 96.222 }, mmpretrain: { top1: 83.04, top5: 96.31 } },
};
