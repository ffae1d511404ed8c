import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { attachRuntime, useBackend } from '../../../src/backend.js';
import { createModel } from '../../../src/models/create.js';
import '../../../src/node/native/backend.js';
import { namedWeights, setWeight } from '../../../src/models/weights.js';
import { showNativeTensorflow, testedNativeFolder } from '../../native.js';

showNativeTensorflow();
const native = testedNativeFolder ? test : test.skip;
const small = { embedDim: 32, depth: 2, numHeads: 2, numClasses: 5, patchSize: 8, distilled: true };

function largestDifference(a: tf.Tensor, b: tf.Tensor): number {
  return tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(a, b))), tf.max(tf.abs(b))).dataSync()[0]!);
}

const graphFolders = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('deit-graph-'));

native('a model as a graph gives what its layers give, for any batch, and leaves no files', async () => {
  await useBackend('tensorflow');
  const before = await graphFolders();
  const model = createModel(small, { imgSize: 32, seed: 3 });
  const tensors = tf.memory().numTensors;
  await attachRuntime(model, 'tensorflow');
  expect(tf.memory().numTensors).toBe(tensors);
  expect(await graphFolders()).toEqual(before);
  for (const batch of [1, 3, 8]) {
    const x = tf.randomNormal([batch, 32, 32, 3], 0, 1, 'float32', 5) as tf.Tensor4D;
    const [graph, layers] = [model.predict(x), model.layersModel.apply(x) as tf.Tensor];
    expect(largestDifference(graph, layers)).toBeLessThan(1e-5);
    tf.dispose([x, graph, layers]);
  }
  expect(tf.memory().numTensors).toBe(tensors);
  model.dispose();
});

const variants: [string, object][] = [
  ['a class token alone', { distilled: false }],
  ['one head', { numHeads: 1 }],
  ['one block', { depth: 1 }],
  ['no query, key and value bias', { qkvBias: false }],
  ['no classifier', { numClasses: 0 }],
];

if (testedNativeFolder) {
  test.each(
    variants,
  )('the graph gives what the layers give, with every weight at work: %s', async (_, overrides) => {
    await useBackend('tensorflow');
    const model = createModel({ ...small, ...overrides }, { imgSize: 32, seed: 3 });
    let seed = 0;
    for (const weight of namedWeights(model.layersModel).values()) {
      const values = tf.truncatedNormal(weight.shape as number[], 0.1, 0.3, 'float32', ++seed);
      setWeight(weight, values.dataSync<'float32'>());
      values.dispose();
    }
    await attachRuntime(model, 'tensorflow');
    const x = tf.randomNormal([2, 32, 32, 3], 0, 1, 'float32', 5) as tf.Tensor4D;
    const [graph, layers] = [model.predict(x), model.layersModel.apply(x) as tf.Tensor];
    expect(largestDifference(graph, layers)).toBeLessThan(1e-5);
    tf.dispose([x, graph, layers]);
    model.dispose();
  });
}

native('two models at once keep their weights apart; a changed weight ends the graph', async () => {
  await useBackend('tensorflow');
  const models = [1, 2].map((seed) => createModel(small, { imgSize: 32, seed }));
  for (const model of models) await attachRuntime(model, 'tensorflow');
  const x = tf.ones([1, 32, 32, 3]) as tf.Tensor4D;
  for (const model of models) {
    expect(largestDifference(model.predict(x), model.layersModel.apply(x) as tf.Tensor)).toBeLessThan(1e-5);
  }
  const [first] = models;
  const before = first!.predict(x);
  setWeight(namedWeights(first!.layersModel).get('head.bias')!, new Float32Array([1, 2, 3, 4, 5]));
  const after = first!.predict(x);
  expect([...tf.sub(after, before).dataSync()].map((v) => v.toFixed(4))).toEqual(
    [0.5, 1, 1.5, 2, 2.5].map((v) => v.toFixed(4)),
  );
  for (const model of models) model.dispose();
});
