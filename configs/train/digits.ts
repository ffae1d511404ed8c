/**
 * The student of examples/digits: a distilled DeiT of 212,116 weights under a convnet: 99.1 % top-1 on MNIST in five
 * minutes on two cores. examples/digits/train.mjs gives it the digits and the teacher:
 *
 *     npm run example:train
 */
import type { PartialConfig } from '../../src/train/config.js';

export const digits: PartialConfig = {
  model: {
    imgSize: 28,
    patchSize: 7,
    embedDim: 64,
    depth: 4,
    numHeads: 4,
    distilled: true,
    dropPathRate: 0,
  },
  // DeiT's deviation of 0.02 is too small for so narrow a model, and slows it.
  init: { scheme: 'xavier' },
  data: { format: 'mnist', split: 'train' },
  val: { format: 'mnist', split: 'test' },
  augment: {
    randomResizedCrop: null,
    affine: { degrees: 8, translate: 0.05, scale: [0.92, 1.08] },
    hflip: 0,
    colorJitter: 0,
    randAugment: null,
    randomErasing: 0,
    repeats: 1,
  },
  mix: { mixup: 0, cutmix: 0 },
  labelSmoothing: 0,
  distillation: { type: 'hard', alpha: 0.5 },
  optimizer: { lr: 2e-3, lrBatch: null, weightDecay: 0.05 },
  schedule: { epochs: 8, warmupEpochs: 0.5, warmupLr: 1e-5, minLr: 1e-6, per: 'step' },
  // So small a model is mostly calls of operations, and WASM leaves the other core to those who prepare the digits.
  backend: 'wasm',
  batchSize: 64,
  evalBatchSize: 250,
  emaDecay: null,
};
