import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import type * as tfl from '@tensorflow/tfjs-layers';
import { modelEntries } from '../../configs/models/index.js';
import { topology } from '../../src/families/vit/topology.js';
import { weightSpecs } from '../../src/families/vit/weights.js';
import { buildModel, createModel, resolveConfig } from '../../src/models/create.js';
import { DistilledVisionTransformer } from '../../src/models/distilledVisionTransformer.js';
import { openLayersModelFolder } from '../../src/models/layersModelFolder.js';
import { loadFrom } from '../../src/models/load.js';
import { defaultPreprocessing } from '../../src/models/preprocessing.js';
import { namedWeights } from '../../src/models/weights.js';

const small = {
  name: 'small',
  imgSize: [16, 24] as const,
  patchSize: 8,
  embedDim: 12,
  depth: 2,
  numHeads: 3,
};

beforeAll(async () => {
  await tf.setBackend('wasm');
});

afterEach(() => tf.disposeVariables());

/** mmpretrain's DeiT page lists the plain counts; the distilled ones are exact sums (two heads, two tokens). */
const PARAMETERS: Record<string, number> = {
  deit_tiny_patch16_224: 5_717_416,
  deit_tiny_distilled_patch16_224: 5_910_800,
  deit_small_patch16_224: 22_050_664,
  deit_small_distilled_patch16_224: 22_436_432,
  deit_base_patch16_224: 86_567_656,
  deit_base_distilled_patch16_224: 87_338_192,
  deit_base_patch16_384: 86_859_496,
  deit_base_distilled_patch16_384: 87_630_032,
};

describe('named models', () => {
  test.each(Object.entries(PARAMETERS))('%s has %d parameters', (name, expected) => {
    const sizes = weightSpecs(resolveConfig(name)).map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(expected);
  });

  test('every name and alias is unique and resolves to its model', () => {
    const names = modelEntries.flatMap((card) => [card.config.name, ...card.aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const card of modelEntries) {
      for (const name of [card.config.name, ...card.aliases]) {
        expect(resolveConfig(name).name).toBe(card.config.name);
      }
    }
  });

  test('tfjs itself counts every parameter of the tiny distilled model', () => {
    const model = createModel('deit-tiny-distilled_pt-4xb256_in1k');
    expect(model).toBeInstanceOf(DistilledVisionTransformer);
    expect(model.layersModel.countParams()).toBe(5_910_800);
    model.dispose();
  });
});

describe('a model by a plain config object', () => {
  test.each([
    ['plain', small],
    ['distilled', { ...small, distilled: true }],
    ['without qkv bias', { ...small, qkvBias: false }],
    ['layer scale, no prefix slot', { ...small, layerScale: 1e-4, posEmbedPrefix: false }],
    ['without a head', { ...small, numClasses: 0 }],
    ['distilled without heads', { ...small, distilled: true, numClasses: 0 }],
  ])('%s: built weights are weightSpecs, and its config is the topology', (_, fields) => {
    const model = createModel(fields, { numClasses: 'numClasses' in fields ? fields.numClasses : 10 });
    const built = [...namedWeights(model.layersModel)].map(([name, w]) => ({ name, shape: w.shape }));
    expect(built).toEqual(weightSpecs(model.config).map(({ name, shape }) => ({ name, shape: [...shape] })));
    expect(model.layersModel.getConfig()).toEqual(topology(model.config));
    const y = model.predict(tf.zeros([2, 16, 24, 3]));
    expect(y.shape).toEqual([2, model.config.numClasses || 12]);
    y.dispose();
    model.dispose();
  });

  test('a distilled model predicts the mean of its heads', () => {
    const model = createModel({ ...small, distilled: true }, { numClasses: 7 }) as DistilledVisionTransformer;
    const x = tf.randomNormal<tf.Rank.R4>([2, 16, 24, 3], 0, 1, 'float32', 5);
    const [head, distillation] = model.predictHeads(x);
    const mean = tf.mul(tf.add(head, distillation), 0.5).dataSync();
    const y = model.predict(x).dataSync();
    for (let i = 0; i < y.length; i++) expect(y[i]).toBeCloseTo(mean[i]!, 6);
    expect(head.dataSync()).not.toEqual(distillation.dataSync());
    model.dispose();
  });

  test('drop path acts in training only, and grows over the depth', () => {
    const model = createModel({ ...small, dropPathRate: 0.9, depth: 3 }, { numClasses: 5 });
    const layers = topology(model.config).layers as { name: string; config: { dropPathRate?: number } }[];
    const rates = layers.filter((l) => l.name.startsWith('blocks.')).map((l) => l.config.dropPathRate);
    expect(rates).toEqual([0, 0.45, 0.9]);
    const x = tf.randomNormal<tf.Rank.R4>([64, 16, 24, 3], 0, 1, 'float32', 5);
    const inference = model.predict(x).dataSync();
    const training = (model.layersModel.apply(x, { training: true }) as tf.Tensor).dataSync();
    expect(model.predict(x).dataSync()).toEqual(inference);
    expect(training).not.toEqual(inference);
    model.dispose();
  });

  test('the same seed gives the same weights', () => {
    const values = (seed: number) => {
      const model = createModel(small, { seed });
      const data = namedWeights(model.layersModel).get('blocks.1.mlp.fc1.kernel')?.read().dataSync();
      model.dispose();
      return data;
    };
    expect(values(3)).toEqual(values(3));
    expect(values(3)).not.toEqual(values(4));
  });

  test('predicting and disposing leave no tensor behind', () => {
    const before = tf.memory().numTensors;
    const model = createModel({ ...small, distilled: true, layerScale: 0.1 });
    const x = tf.zeros<tf.Rank.R4>([1, 16, 24, 3]);
    const held = tf.memory().numTensors;
    model.predict(x).dispose();
    expect(tf.memory().numTensors).toBe(held);
    x.dispose();
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each([
    [{ ...small, numHeads: 5 }, /embedDim 12 does not divide into 5 heads/],
    [{ ...small, patchSize: 17 }, /16×24 pixels is smaller than a patch of 17×17/],
    [{ ...small, depth: 0 }, /depth must be a whole number of at least 1, got 0/],
    [{ ...small, dropPathRate: 1 }, /dropPathRate must lie in \[0, 1\), got 1/],
    [{ ...small, heads: 3 }, /a model has no field "heads"/],
  ])('refuses %j', (fields, message) => {
    expect(() => createModel(fields)).toThrow(message);
  });

  test('an unknown name says where the names are', () => {
    expect(() => createModel('deit_giant')).toThrow(/no model is named "deit_giant"; `deit models`/);
  });

  test('an input of another shape is refused in one line', () => {
    const model = createModel(small);
    expect(() => model.predict(tf.zeros([1, 24, 16, 3]))).toThrow(
      /small: predict takes a float32 tensor \[batch, 16, 24, 3\], got \[1,24,16,3\]/,
    );
    model.dispose();
  });
});

test('a model to be loaded is built with zeros, not with random numbers', () => {
  const config = resolveConfig(small);
  const model = buildModel(config, { preprocessing: defaultPreprocessing(config) });
  for (const weight of namedWeights(model.layersModel).values()) {
    expect(
      weight
        .read()
        .dataSync()
        .every((v) => v === 0),
    ).toBe(true);
  }
  model.dispose();
});

test('layersModel.save keeps all that load needs; saving, loading and saving gives the same bytes', async () => {
  const model = createModel({ ...small, distilled: true, name: 'mine' }, { numClasses: 3, seed: 4 });
  const saved = async ({ layersModel }: { layersModel: tfl.LayersModel }) => {
    let artifacts: tf.io.ModelArtifacts | undefined;
    await layersModel.save({
      save: async (given) => {
        artifacts = given;
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      },
    });
    const { weightSpecs: weights, weightData, ...rest } = artifacts!;
    const bytes = new Uint8Array(weightData as ArrayBuffer);
    const json = JSON.stringify({ ...rest, weightsManifest: [{ paths: ['w.bin'], weights }] });
    return { json, bytes };
  };
  const first = await saved(model);
  const read = async (path: string) =>
    path === 'w.bin' ? first.bytes : new TextEncoder().encode(first.json);
  const again = await loadFrom(await openLayersModelFolder({ name: 'saved', read }), { backend: 'wasm' });
  expect(again.config).toEqual(model.config);
  expect(again.preprocessing).toEqual(model.preprocessing);
  expect(await saved(again)).toEqual(first);
  model.dispose();
  again.dispose();
});

test('a configuration has no fields that are undefined, so that a model is built from it as it is', () => {
  const config = resolveConfig({ embedDim: 8, numHeads: 2, depth: undefined }, { numClasses: undefined });
  expect(Object.values(config)).not.toContain(undefined);
  expect([config.depth, config.numClasses]).toEqual([12, 1000]);
  createModel({ embedDim: 8, numHeads: 2, depth: 1, patchSize: 8 }, { imgSize: 16, numClasses: 3 }).dispose();
});

test.each([
  [{ imgSize: 1e6 }, 'pos_embed [1, 3906250001, 192] would have'],
  [
    { numClasses: 1e7 },
    'head.kernel [192, 10000000] would have 1920000000 values; a weight has at most 1073741824',
  ],
  [
    { embedDim: 65536, numHeads: 1 },
    'blocks.0.attn.qkv.kernel [65536, 196608] would have 12884901888 values',
  ],
])('%j: a weight that no memory holds is refused before anything is made', (overrides, message) => {
  expect(() => createModel('deit_tiny_patch16_224', overrides)).toThrow(message);
});
