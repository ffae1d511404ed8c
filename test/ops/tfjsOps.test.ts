import { beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of the plain ops.
import '@tensorflow/tfjs-layers';
import { linear } from '../../src/ops/index.js';
import { TfjsOps } from '../../src/ops/tfjsOps.js';

beforeAll(() => tf.setBackend('cpu'));

test('the mean of parts, one or several', () => {
  const ops = new TfjsOps(() => undefined);
  const [a, b] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 8])];
  expect([...ops.mean([a]).dataSync()]).toEqual([1, 2]);
  expect([...ops.mean([a, b]).dataSync()]).toEqual([2, 5]);
});

test('attention of a learned query mixes the values by softmax of its products with the keys over √d', () => {
  const weights: Record<string, tf.Tensor> = {
    'p.latent': tf.tensor3d([[[2, 1]]]),
    'p.q.kernel': tf.eye(2),
    'p.kv.kernel': tf.tensor2d([
      [1, 0, 1, 0],
      [0, 1, 0, 10],
    ]),
  };
  const tokens = [
    [1, 0],
    [0, 1],
    [2, -1],
  ];
  const mixed = new TfjsOps((name) => weights[name]).latentAttention(tf.tensor3d([tokens]), 'p', 1);
  expect(mixed.shape).toEqual([1, 1, 2]);
  const powers = tokens.map(([x = 0, y = 0]) => Math.exp((2 * x + y) / Math.SQRT2));
  const sum = powers.reduce((a, b) => a + b);
  const expected = [0, 1].map((c) =>
    tokens.reduce((all, token, i) => all + (powers[i]! / sum) * token[c]! * (c === 0 ? 1 : 10), 0),
  );
  for (const [i, value] of [...mixed.dataSync()].entries()) expect(value).toBeCloseTo(expected[i]!, 5);
});

test('the gradients of a linear layer of a kernel alone', () => {
  const [x, kernel] = [tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [5]])];
  const gradients = tf.grads((a, b) => linear(a, b as tf.Tensor2D))([x, kernel]);
  const [dx, dKernel] = gradients.map((gradient) => [...gradient.dataSync()]);
  expect(dx).toEqual([3, 5]);
  expect(dKernel).toEqual([1, 2]);
});
