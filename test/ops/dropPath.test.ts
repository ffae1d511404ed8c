import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of the plain ops.
import '@tensorflow/tfjs-layers';
import { dropPath } from '../../src/ops/index.js';
import { TfjsOps } from '../../src/ops/tfjsOps.js';

beforeAll(() => tf.setBackend('cpu'));
afterAll(() => tf.disposeVariables());

const SAMPLES = 4000;

describe.each([0.1, 0.25, 0.75])('rate %d', (rate) => {
  const keep = 1 - rate;
  /** What became of samples of two equal numbers each. */
  const dropped = () => {
    const rows = dropPath(tf.fill([SAMPLES, 2, 1], 3), rate, 17).dataSync();
    return Array.from({ length: SAMPLES }, (_, i) => [rows[2 * i], rows[2 * i + 1]]);
  };

  test('a sample is zero as a whole, or divided by what is kept', () => {
    for (const [first, second] of dropped()) {
      expect(second).toBe(first);
      if (first !== 0) expect(first).toBeCloseTo(3 / keep, 5);
    }
  });

  test('keeps samples with probability 1 − rate, so that the expectation is x', () => {
    const values = dropped();
    const kept = values.filter(([first]) => first !== 0).length / SAMPLES;
    const deviation = Math.sqrt((rate * keep) / SAMPLES);
    expect(Math.abs(kept - keep)).toBeLessThan(4 * deviation);
    const mean = values.reduce((sum, [first = Number.NaN]) => sum + first, 0) / SAMPLES;
    expect(Math.abs(mean - 3)).toBeLessThan((4 * deviation * 3) / keep);
  });

  test('the gradient is the same mask', () => {
    const x = tf.ones([64, 3]);
    const gradient = tf.grad((input) => dropPath(input, rate, 5))(x);
    expect([...gradient.dataSync()]).toEqual([...dropPath(x, rate, 5).dataSync()]);
  });
});

test('the seed decides, and rate 0 gives the tensor itself', () => {
  const x = tf.ones([64]);
  const mask = (seed: number) => [...dropPath(x, 0.5, seed).dataSync()];
  expect(mask(1)).toEqual(mask(1));
  expect(mask(1)).not.toEqual(mask(2));
  expect(dropPath(x, 0)).toBe(x);
});

test('in training a dropped sample is its residual alone; outside it nothing is dropped', () => {
  const weights: Record<string, tf.Tensor> = { 'a.kernel': tf.eye(2), 'a.bias': tf.tensor1d([1, 1]) };
  const x = tf.fill([200, 1, 2], 4);
  const options = { residual: tf.fill([200, 1, 2], 10), dropPath: 0.5 };
  let seeds = 0;
  const run = (training: boolean) => {
    const ops = new TfjsOps((name) => weights[name], { training, dropPathSeed: () => ++seeds });
    return new Set(ops.linearResidual(x, 'a', options).dataSync());
  };
  expect(run(true)).toEqual(new Set([10, 10 + 5 / 0.5]));
  expect(seeds).toBe(1);
  expect(run(false)).toEqual(new Set([15]));
});
