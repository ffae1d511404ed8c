import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-base distilled, fine-tuned at 384 pixels (arXiv 2012.12877, table 1; official file deit_base_distilled_patch16_384-d0272ac0.pth).
 * Expect 85.224 top-1, 97.186 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_base_distilled_patch16_384-d0272ac0.pth imagenet/val --preset deit
 */
export const deitBaseDistilledPatch16384: ModelCard = {
  config: {
    name: 'deit_base_distilled_patch16_384',
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
    distilled: true,
    posEmbedPrefix: true,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit-base-distilled_ft-16xb32_in1k-384px'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_base_distilled_patch16_384-d0272ac0.pth',
  published: { official: { top1: 85.224, top5: 97.186 }, mmpretrain: { top1: 85.55, top5: 97.35 } },
};
