import type { ModelCard } from '../../src/models/card.js';

/**
 * DeiT III medium at 224 pixels (arXiv 2204.07118; facebookresearch/deit models_v2.py, deit_medium_patch16_LS).
 * Its authors' README gives no accuracy for this size.
 *
 *     deit eval deit_3_medium_224_1k.pth imagenet/val --preset deit3
 */
export const deit3MediumPatch16224: ModelCard = {
  config: {
    name: 'deit3_medium_patch16_224',
    imgSize: [224, 224],
    patchSize: 16,
    inChans: 3,
    numClasses: 1000,
    embedDim: 512,
    depth: 12,
    numHeads: 8,
    mlpRatio: 4,
    qkvBias: true,
    layerScale: 1e-4,
    distilled: false,
    posEmbedPrefix: false,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  },
  aliases: ['deit_3_medium_224'],
  preset: 'deit3',
  checkpoint: 'https://dl.fbaipublicfiles.com/deit/deit_3_medium_224_1k.pth',
  published: { official: { top1: null, top5: null } },
};
