/** Gradients of the fused kernels against those that tfjs derives from the plain ops. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
// Registers the gradients of the plain ops.
import '@tensorflow/tfjs-layers';
import { registerWasmKernels, unregisterWasmKernels } from '../../src/kernels/wasm/index.js';
import { attention, layerNorm, linear, patchEmbed } from '../../src/ops/index.js';

beforeAll(async () => {
  await tf.setBackend('wasm');
});
afterAll(unregisterWasmKernels);

/** Gradients of Σ out · dy with respect to every input, with the kernels and with the plain ops. */
async function bothGradients(inputs: tf.Tensor[], op: (...inputs: tf.Tensor[]) => tf.Tensor) {
  const gradients = () => {
    const value = op(...inputs);
    const dy = tf.randomNormal(value.shape, 0, 1, 'float32', 9);
    return tf.grads((...given) => op(...given))(inputs, dy);
  };
  await registerWasmKernels();
  const fused = gradients();
  await unregisterWasmKernels();
  return { fused, plain: gradients() };
}

async function expectEqualGradients(inputs: tf.Tensor[], op: (...inputs: tf.Tensor[]) => tf.Tensor) {
  const { fused, plain } = await bothGradients(inputs, op);
  expect(fused.length).toBe(inputs.length);
  for (const [i, gradient] of plain.entries()) {
    expect(fused[i].shape).toEqual(gradient.shape);
    const largest = tf.max(tf.abs(gradient)).dataSync()[0];
    const difference = tf.max(tf.abs(tf.sub(gradient, fused[i]))).dataSync()[0];
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
  [1, 198, 3, 64],
])('attention of %d × %d tokens, %d heads of %d', (batch, tokens, heads, dim) =>
  expectEqualGradients([normal(batch, tokens, 3 * heads * dim)], (qkv) =>
    attention(qkv as tf.Tensor3D, heads),
  ));

test.each(['none', 'gelu'] as const)('linear, activation %s, with every operand', (activation) =>
  expectEqualGradients(
    [normal(2, 5, 7), normal(7, 9), normal(9), normal(9), normal(2, 5, 9)],
    (x, kernel, bias, scale, residual) =>
      linear(x, kernel as tf.Tensor2D, {
        bias: bias as tf.Tensor1D,
        scale: scale as tf.Tensor1D,
        activation,
        residual,
      }),
  ));

test('layer norm', () =>
  expectEqualGradients([normal(3, 5, 7), normal(7), normal(7)], (x, gamma, beta) =>
    layerNorm(x, gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-6),
  ));

test('patch embedding, of a picture with pixels left over', () =>
  expectEqualGradients([normal(2, 9, 12, 3), normal(4, 4, 3, 5), normal(5)], (x, kernel, bias) =>
    patchEmbed(x as tf.Tensor4D, kernel as tf.Tensor4D, bias as tf.Tensor1D),
  ));
