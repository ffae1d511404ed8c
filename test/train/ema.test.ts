import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { initialEma, updateEma, withEma } from '../../src/train/ema.js';
import { type Student, studentOfLayersModel } from '../../src/train/student.js';

let student: Student;
let weight: tfl.LayerVariable;

beforeAll(() => tf.setBackend('cpu'));
beforeEach(() => {
  const layer = tfl.layers.dense({ units: 1, inputShape: [2], useBias: false, name: 'only' });
  student = studentOfLayersModel(tfl.sequential({ layers: [layer] }));
  weight = [...student.weights.values()][0]!;
  weight.write(tf.tensor2d([[4], [-8]]));
});
afterAll(() => tf.disposeVariables());

const name = () => student.trainable[0]!;
const values = () => [...weight.read().dataSync()];

test('starts from a copy, and moves by 1 − decay of the difference', () => {
  const start = initialEma(student);
  weight.write(tf.tensor2d([[0], [8]]));
  expect([...start[name()]!.dataSync()]).toEqual([4, -8]);
  const moved = updateEma(start, student, 0.75);
  expect([...moved[name()]!.dataSync()]).toEqual([3, -4]);
  expect(start[name()]!.isDisposed).toBe(true);
});

test('the means stand in for the weights while something runs, and after it the weights are back', async () => {
  const ema = { [name()]: tf.tensor2d([[1], [2]]) };
  const seen = await withEma(ema, student, async () => values());
  expect(seen).toEqual([1, 2]);
  expect(values()).toEqual([4, -8]);
  expect([...ema[name()]!.dataSync()]).toEqual([1, 2]);
});

test('the weights are back after an error too, and no tensor is left over', async () => {
  const ema = { [name()]: tf.tensor2d([[1], [2]]) };
  const before = tf.memory().numTensors;
  const failing = withEma(ema, student, async () => {
    throw new Error('no data');
  });
  await expect(failing).rejects.toThrow('no data');
  expect(values()).toEqual([4, -8]);
  expect(tf.memory().numTensors).toBe(before);
});
