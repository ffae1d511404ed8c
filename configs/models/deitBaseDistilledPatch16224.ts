import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT-base distilled (arXiv 2012.12877, table 1; official file deit_base_distilled_patch16_224-df68dfff.pth).
 * Expect 83.372 top-1, 96.482 top-5 with facebookresearch/deit's preprocessing:
 *
 *     deit eval deit_base_distilled_patch16_224-df68dfff.pth imagenet/val --preset deit
 */
export const deitBaseDistilledPatch16224: ModelCard = {
  config: {
    name: 'deit_base_distilled_patch16_224',
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
    distilled: true,
    posEmbedPrefix: true,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit-base-distilled_pt-16xb64_in1k'],
  preset: 'deit',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_base_distilled_patch16_224-df68dfff.pth',
  published: { official: { top1: 83.372, top5: 96.482 }, mmpretrain: { top1: 83.33, top5: 96.49 } },
};
