import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import { createModel } from '../../src/models/create.js';
import { namedWeights, setWeight } from '../../src/models/weights.js';

const small = { embedDim: 16, depth: 1, numHeads: 2, numClasses: 3, patchSize: 8 };

beforeAll(async () => {
  await useBackend('wasm');
});

/** A runtime that gives sevens and counts how often it is disposed. */
function sevens() {
  const runtime = {
    disposed: 0,
    predict: (x: tf.Tensor4D) => tf.fill([x.shape[0], 3], 7) as tf.Tensor2D,
    dispose() {
      runtime.disposed++;
    },
  };
  return runtime;
}

test('a runtime predicts until a weight is changed, and is disposed then', () => {
  const model = createModel(small, { imgSize: 16 });
  const x = tf.ones([2, 16, 16, 3]) as tf.Tensor4D;
  const runtime = sevens();
  model.useRuntime(runtime);
  expect([...model.predict(x).dataSync()]).toEqual([7, 7, 7, 7, 7, 7]);

  setWeight(namedWeights(model.layersModel).get('head.bias')!, new Float32Array([1, 2, 3]));
  const logits = model.predict(x);
  const expected = model.layersModel.predict(x) as tf.Tensor;
  expect([...logits.dataSync()]).toEqual([...expected.dataSync()]);
  expect(runtime.disposed).toBe(1);
  model.dispose();
  expect(runtime.disposed).toBe(1);
});

test('a runtime ends with its model, or when another takes its place', () => {
  const model = createModel(small, { imgSize: 16 });
  const [first, second] = [sevens(), sevens()];
  model.useRuntime(first);
  model.useRuntime(second);
  expect([first.disposed, second.disposed]).toEqual([1, 0]);
  model.dispose();
  expect(second.disposed).toBe(1);
});

test('within a gradient the layers predict: a runtime would be a constant to it', () => {
  const model = createModel(small, { imgSize: 16 });
  const x = tf.randomNormal([1, 16, 16, 3], 0, 1, 'float32', 5) as tf.Tensor4D;
  const loss = (input: tf.Tensor) =>
    tf.add(tf.mul(100, tf.sum(model.predict(input))), tf.sum(tf.square(input)));
  const expected = tf.grad(loss)(x).dataSync();
  const decay = tf.mul(2, x).dataSync();
  expect(Math.max(...expected.map((value, i) => Math.abs(value - decay[i]!)))).toBeGreaterThan(0.01);
  model.useRuntime(sevens());
  expect(tf.grad(loss)(x).dataSync()).toEqual(expected);
  expect([...model.predict(x).dataSync()]).toEqual([7, 7, 7]);
  model.dispose();
});

test('an optimizer moves the weights of what predicts', () => {
  const model = createModel(small, { imgSize: 16 });
  const { layersModel } = model;
  model.useRuntime(sevens());
  const x = tf.randomNormal([4, 16, 16, 3], 0, 1, 'float32', 5) as tf.Tensor4D;
  const labels = tf.oneHot([0, 1, 2, 0], 3);
  const optimizer = tf.train.sgd(0.1);
  const step = () =>
    optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, model.predict(x)) as tf.Scalar, true)!;
  const [first] = step().dataSync();
  for (let i = 0; i < 5; i++) step().dispose();
  expect(step().dataSync()[0]).toBeLessThan(first!);
  expect(layersModel.weights.length).toBeGreaterThan(0);
  model.dispose();
});
