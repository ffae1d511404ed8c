/**
 * Transfer to another set of classes: fresh heads on a trained model, attention and heads alone learn (Three things
 * everyone should know about ViT, arXiv 2203.09795, section 4), which takes a third of the optimiser's memory.
 *
 *     deit train transfer --init.from deit_tiny_patch16_224-a1311bcf.pth --data.path flowers/train \
 *       --val.path flowers/val --output flowers-run
 */
import type { PartialConfig } from '../../src/train/config.js';

export const transfer: PartialConfig = {
  model: { dropPathRate: 0 },
  train: { attentionOnly: true },
  augment: { randomResizedCrop: { scale: [0.5, 1] }, randomErasing: 0, repeats: 1 },
  mix: { mixup: 0, cutmix: 0 },
  optimizer: { lr: 5e-4, lrBatch: null, clipGrad: 1 },
  schedule: { epochs: 20, minLr: 1e-6, warmupEpochs: 1, per: 'step' },
  emaDecay: null,
};
