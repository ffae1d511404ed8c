/** inspect and attentionStack by the WASM engine: as PyTorch computes it, and for every kind of model as tfjs does. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { attentionStack, inspect } from '../../src/explain/index.js';
import { splitInspection } from '../../src/explain/inspection.js';
import { buildModel } from '../../src/models/create.js';
import { inspectionForward } from '../../src/models/inspectionForward.js';
import { defaultPreprocessing } from '../../src/models/preprocessing.js';
import { namedWeights, setWeight } from '../../src/models/weights.js';
import { load } from '../../src/node/index.js';
import {
  CONFIGS,
  configOf,
  difference,
  openEngine,
  randomImages,
  randomWeights,
} from '../engines/wasm/models.js';

interface Reference {
  imgSize: [number, number];
  attention: number[];
  logits: number[];
  heads: number[][];
}

const reference: Record<string, Reference> = JSON.parse(readFileSync('test/fixtures/attention.json', 'utf8'));

test.each(Object.entries(reference))('%s, as PyTorch computes it', async (file, expected) => {
  const convert = { numHeads: 2, imgSize: expected.imgSize };
  const model = await load(readFileSync(`test/fixtures/models/${file}`), { backend: 'wasm', convert });
  const [height, width] = expected.imgSize;
  const values = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * 0.37));
  const x = tf.tensor4d(values, [1, height, width, 3]);
  const tensors = tf.memory().numTensors;
  const { logits, heads, attention } = await inspect(model, x);
  expect(difference(logits, Float32Array.from(expected.logits))).toBeLessThan(1e-5);
  expect(heads.length).toBe(expected.heads.length);
  for (const [i, head] of heads.entries()) {
    expect(difference(head, Float32Array.from(expected.heads[i]!))).toBeLessThan(1e-5);
  }
  expect(difference(attention.layers.at(-1)!, Float32Array.from(expected.attention))).toBeLessThan(1e-5);
  expect((await attentionStack(model, x)).layers).toEqual(attention.layers);
  // The engine holds the weights: there are no layers, whose weights would be tensors.
  expect(tf.memory().numTensors).toBe(tensors);
  expect(model.hasRuntime).toBe(true);
  tf.dispose(x);
  model.dispose();
});

describe.each(Object.entries(CONFIGS))('%s', (_, overrides) => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });
  afterAll(() => tf.disposeVariables());

  test('logits, heads, patches and attention as tfjs computes them, of one image and of several', async () => {
    const config = configOf(overrides);
    const weights = randomWeights(config);
    const images = randomImages(config, 3);
    const model = buildModel(config, { preprocessing: defaultPreprocessing(config) });
    for (const [name, weight] of namedWeights(model.layersModel)) setWeight(weight, weights.get(name)!);
    const rows = [];
    for (const threads of [1, 3]) {
      const engine = await openEngine(config, weights, {
        threads,
        outputs: { inspection: (ops, x) => inspectionForward(ops, config, x) },
      });
      rows.push(await engine.run(images, 3, { output: 'inspection' }));
      const size = images.length / 3;
      const one = await engine.run(images.subarray(size, 2 * size), 1, { output: 'inspection' });
      expect(one).toEqual(rows[0]!.subarray(one.length, 2 * one.length));
      engine.dispose();
    }
    expect(rows[1]).toEqual(rows[0]);
    const width = rows[0]!.length / 3;
    for (let i = 0; i < 3; i++) {
      const found = splitInspection(config, rows[0]!.subarray(i * width, (i + 1) * width));
      const size = images.length / 3;
      const shape: [number, number, number, number] = [1, ...config.imgSize, config.inChans];
      const x = tf.tensor4d(images.slice(i * size, (i + 1) * size), shape);
      const wanted = await inspect(model, x);
      x.dispose();
      expect(difference(found.logits, wanted.logits)).toBeLessThan(1e-5);
      expect(difference(found.patches, wanted.patches)).toBeLessThan(1e-5);
      expect(found.heads.length).toBe(wanted.heads.length);
      for (const [h, head] of wanted.heads.entries())
        expect(difference(found.heads[h]!, head)).toBeLessThan(1e-5);
      const { layers, ...rest } = wanted.attention;
      expect(found.attention).toMatchObject(rest);
      expect(found.attention.layers.length).toBe(layers.length);
      for (const [l, layer] of layers.entries()) {
        // The softmax of scores as large as those of random weights multiplies their rounding.
        expect(difference(found.attention.layers[l]!, layer)).toBeLessThan(5e-5);
      }
    }
    model.dispose();
  });
});
