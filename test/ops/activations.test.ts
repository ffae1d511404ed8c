import { beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { TfjsOps } from '../../src/ops/tfjsOps.js';
import { closedForms } from '../train/closedForms.js';

beforeAll(() => tf.setBackend('cpu'));

const { x, ...expected } = closedForms.activations;

/** The layers of an identity matrix: what is left is the non-linearity. */
const ops = new TfjsOps((name) => ({ 'a.kernel': tf.eye(1), scale: tf.tensor1d([3]) })[name]);
const column = () => tf.tensor2d(x, [x.length, 1]);

function expectClose(actual: tf.Tensor, values: number[]) {
  const numbers = [...actual.dataSync()];
  expect(numbers).toHaveLength(values.length);
  for (const [i, value] of values.entries()) expect(numbers[i]).toBeCloseTo(value, 5);
}

test.each(Object.keys(expected) as (keyof typeof expected)[])('%s as torch has it', (activation) => {
  expectClose(ops.linear(column(), 'a', { activation }), expected[activation]);
});

test.each(
  Object.keys(expected) as (keyof typeof expected)[],
)('%s, then the scale, then the residual', (activation) => {
  const options = { activation, scale: 'scale', residual: tf.fill([x.length, 1], 2) };
  expectClose(
    ops.linearResidual(column(), 'a', options),
    expected[activation].map((value) => 3 * value + 2),
  );
});

test('SwiGLU is silu of the first half times the second', () => {
  const halves = tf.concat([column(), tf.fill([x.length, 1], -2)], -1);
  expectClose(
    ops.swiglu(halves),
    expected.silu.map((value) => -2 * value),
  );
});

test('a weight that is not there is named', () => {
  expect(() => ops.layerNorm(column(), 'norm', 1e-6)).toThrow('norm.gamma');
});
