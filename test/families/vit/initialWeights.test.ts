import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { PatchEmbed, TransformerBlock } from '../../../src/families/layers/index.js';
import { VIT_DEFAULTS, type VitConfig } from '../../../src/families/vit/config.js';
import { initialWeight } from '../../../src/families/vit/initialWeights.js';
import {
  layerNormWeights,
  layerScaleWeights,
  type WeightSpec,
  weightSpecs,
} from '../../../src/families/vit/weights.js';
import { Random } from '../../../src/random.js';
import { freshWeights } from '../../../src/train/startModel.js';

beforeAll(() => tf.setBackend('cpu'));
afterAll(() => tf.disposeVariables());

/** Five channels and patches that are not square: a fan-in that forgets one of them shows. */
const config: VitConfig = {
  ...VIT_DEFAULTS,
  imgSize: [16, 32],
  patchSize: [4, 8],
  inChans: 5,
  embedDim: 48,
  depth: 1,
  numHeads: 2,
  numClasses: 7,
  distilled: true,
  registers: 2,
  layerScale: 0.125,
};
const BOUND = 1 / Math.sqrt(5 * 4 * 8);
const specs = weightSpecs(config);

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: Float32Array) =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length - mean(values) ** 2);

function expectDistribution(name: string, values: Float32Array) {
  const errors = 5 / Math.sqrt(values.length);
  if (name.startsWith('patch_embed')) {
    // Uniform within ±bound: torch.nn.Conv2d.
    expect(largest(values)).toBeLessThanOrEqual(Math.fround(BOUND));
    expect(largest(values)).toBeGreaterThan((1 - 5 / values.length) * BOUND * 0.99);
    expect(Math.abs(mean(values))).toBeLessThan(errors * BOUND);
    expect(Math.abs(deviation(values) * Math.sqrt(3) - BOUND)).toBeLessThan(errors * BOUND);
  } else if (/\.ls\d\.gamma$/.test(name)) {
    expect(new Set(values)).toEqual(new Set([0.125]));
  } else if (name.endsWith('.gamma')) {
    expect(new Set(values)).toEqual(new Set([1]));
  } else if (name.endsWith('.beta') || name.endsWith('.bias')) {
    expect(new Set(values)).toEqual(new Set([0]));
  } else {
    expect(Math.abs(mean(values))).toBeLessThan(errors * 0.02);
    expect(Math.abs(deviation(values) - 0.02)).toBeLessThan(errors * 0.02);
    // Not cut at two deviations: timm's trunc_normal_ cuts at ±2, a hundred of them.
    if (values.length > 1000) expect(largest(values)).toBeGreaterThan(0.05);
  }
}

const random = Random.fromSeed(3);
test.each(specs.map((spec) => [spec.name, spec] as const))('%s', (name, spec) => {
  const values = initialWeight(spec, random);
  expect(values).toHaveLength(spec.shape.reduce((a, b) => a * b, 1));
  expectDistribution(name, values);
});

test('the layers that are used by themselves start from the same distributions', () => {
  const patches = new PatchEmbed({ patchSize: [4, 8], embedDim: 48 });
  patches.build([null, 16, 32, 5]);
  const block = new TransformerBlock({
    numHeads: 2,
    mlpDim: 192,
    qkvBias: true,
    layerScale: 0.125,
    dropPathRate: 0,
    epsilon: 1e-6,
  });
  block.build([null, 9, 48]);
  const weights = [
    ...patches.weights.map((w) => ['patch_embed', w] as const),
    ...block.weights.map((w) => ['block', w] as const),
  ];
  expect(weights).toHaveLength(2 + 14);
  for (const [layer, weight] of weights) {
    expectDistribution(`${layer}.${weight.originalName}`, weight.read().dataSync<'float32'>());
  }
});

describe('fresh weights of training', () => {
  const read = (scheme: 'deit' | 'xavier', seed = 1) => {
    const reader = freshWeights(config, scheme, seed);
    return Promise.all(specs.map(async ({ name }) => [name, await reader(name)] as const));
  };

  test('deit: as a new model', async () => {
    for (const [name, values] of await read('deit')) expectDistribution(name, values);
  });

  test('xavier: matrices uniform within ±√(6 / (in + out)), all else as a new model', async () => {
    const shapes = new Map(specs.map(({ name, shape }): [string, WeightSpec['shape']] => [name, shape]));
    for (const [name, values] of await read('xavier')) {
      const shape = shapes.get(name)!;
      if (shape.length !== 2) {
        expectDistribution(name, values);
        continue;
      }
      const bound = Math.sqrt(6 / (shape[0]! + shape[1]!));
      const errors = 5 / Math.sqrt(values.length);
      expect(largest(values)).toBeLessThanOrEqual(Math.fround(bound));
      expect(Math.abs(mean(values))).toBeLessThan(errors * bound);
      expect(Math.abs(deviation(values) * Math.sqrt(3) - bound)).toBeLessThan(errors * bound);
    }
  });

  test('the seed decides', async () => {
    expect(await read('deit')).toEqual(await read('deit'));
    expect(await read('deit')).not.toEqual(await read('deit', 2));
  });
});

test('norms start from 1 and 0, LayerScale from its value', () => {
  const kinds = [...layerNormWeights('norm', 4), ...layerScaleWeights('blocks.0.ls1', 4, 0.5)].map(
    ({ name, initial }) => [name, initial],
  );
  expect(kinds).toEqual([
    ['norm.gamma', { kind: 'ones' }],
    ['norm.beta', { kind: 'zeros' }],
    ['blocks.0.ls1.gamma', { kind: 'constant', value: 0.5 }],
  ]);
});
