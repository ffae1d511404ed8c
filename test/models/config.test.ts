import { expect, test } from '@jest/globals';
import type { VitConfig } from '../../src/families/vit/config.js';
import { weightSpecs } from '../../src/families/vit/weights.js';

const tiny: VitConfig = {
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
};

const count = (config: VitConfig) =>
  weightSpecs(config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

test('weights add up to the published parameter counts', () => {
  expect(count(tiny)).toBe(5_717_416);
  expect(count({ ...tiny, distilled: true })).toBe(5_910_800);
});
