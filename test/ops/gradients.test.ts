/** Values and gradients of the ops, by kernels and without, against those that tfjs derives from the formulas. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
// Registers the gradients of the plain ops.
import '@tensorflow/tfjs-layers';
import { registerWasmKernels, unregisterWasmKernels } from '../../src/kernels/wasm/index.js';
import { attention, gelu, layerNorm, linear, patchEmbed } from '../../src/ops/index.js';

beforeAll(async () => {
  await tf.setBackend('wasm');
});
afterAll(unregisterWasmKernels);

type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Gradients of Σ out · dy with respect to every input. */
function gradientsOf(op: Op, inputs: tf.Tensor[]): tf.Tensor[] {
  const dy = tf.randomNormal(op(...inputs).shape, 0, 1, 'float32', 9);
  return tf.grads((...given) => op(...given))(inputs, dy);
}

/** Value and gradients of `op`, with the kernels and without, are those that tfjs has of `plain`, in its own ops. */
async function expectGradientsOf(inputs: tf.Tensor[], op: Op, plain: Op) {
  const both = (some: Op) => [some(...inputs), ...gradientsOf(some, inputs)];
  const expected = both(plain);
  await registerWasmKernels();
  expectClose(both(op), expected);
  await unregisterWasmKernels();
  expectClose(both(op), expected);
}

function expectClose(actual: tf.Tensor[], expected: tf.Tensor[]) {
  expect(actual.length).toBe(expected.length);
  for (const [i, gradient] of expected.entries()) {
    expect(actual[i]!.shape).toEqual(gradient.shape);
    const largest = tf.max(tf.abs(gradient)).dataSync()[0]!;
    const difference = tf.max(tf.abs(tf.sub(gradient, actual[i]!))).dataSync()[0]!;
    expect(largest).toBeGreaterThan(0);
    expect(difference / largest).toBeLessThan(5e-6);
  }
}

let seed = 0;
const normal = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', ++seed);

test.each([
  [2, 5, 3, 4],
  [1, 17, 2, 16],
  [2, 6, 1, 6],
  [1, 5, 2, 10],
  [1, 198, 3, 64],
])('attention of %d × %d tokens, %d heads of %d', (batch, tokens, heads, dim) =>
  expectGradientsOf(
    [normal(batch, tokens, 3 * heads * dim)],
    (qkv) => attention(qkv as tf.Tensor3D, heads),
    (qkv) => {
      const [q, k, v] = tf
        .split(qkv, 3, 2)
        .map((part) => tf.transpose(tf.reshape(part, [batch, tokens, heads, dim]), [0, 2, 1, 3])) as [
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
      ];
      const weights = tf.softmax(tf.div(tf.matMul(q, k, false, true), Math.sqrt(dim)));
      return tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [batch, tokens, heads * dim]);
    },
  ));

test.each(['none', 'gelu'] as const)('linear, activation %s, with every operand', (activation) =>
  expectGradientsOf(
    [normal(2, 5, 7), normal(7, 9), normal(9), normal(9), normal(2, 5, 9)],
    (x, kernel, bias, scale, residual) =>
      linear(x, kernel as tf.Tensor2D, {
        bias: bias as tf.Tensor1D,
        scale: scale as tf.Tensor1D,
        activation,
        residual,
      }),
    (x, kernel, bias, scale, residual) => {
      const rows = tf.add(tf.matMul(tf.reshape(x, [10, 7]), kernel as tf.Tensor2D), bias);
      const activated = activation === 'gelu' ? gelu(rows) : rows;
      return tf.add(tf.reshape(tf.mul(activated, scale), [2, 5, 9]), residual);
    },
  ));

test('layer norm', () =>
  expectGradientsOf(
    [normal(3, 5, 7), normal(7), normal(7)],
    (x, gamma, beta) => layerNorm(x, gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-6),
    (x, gamma, beta) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-6))), gamma), beta);
    },
  ));

test('patch embedding, of an image with pixels left over', () =>
  expectGradientsOf(
    [normal(2, 9, 12, 3), normal(4, 4, 3, 5), normal(5)],
    (x, kernel, bias) => patchEmbed(x as tf.Tensor4D, kernel as tf.Tensor4D, bias as tf.Tensor1D),
    (x, kernel, bias) => {
      const split = tf.reshape(tf.slice(x, [0, 0, 0, 0], [2, 8, 12, 3]), [2, 2, 4, 3, 4, 3]);
      const patches = tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4, 5]), [12, 48]);
      return tf.add(tf.reshape(tf.matMul(patches, tf.reshape(kernel, [48, 5])), [2, 6, 5]), bias);
    },
  ));
