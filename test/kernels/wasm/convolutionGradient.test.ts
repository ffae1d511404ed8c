import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
// Registers the gradients of tfjs' own operations.
import '@tensorflow/tfjs-layers';
import { useBackend } from '../../../src/backend.js';

beforeAll(() => useBackend('wasm'));

/** Gradients of a convolution's image and filter, on the current backend. */
function gradients(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  stride: number,
  pad: 'same' | 'valid',
): Float32Array[] {
  const weigh = (y: tf.Tensor) => tf.sum(tf.mul(y, tf.sin(tf.reshape(tf.range(0, y.size), y.shape))));
  const grad = tf.grads((a: tf.Tensor, f: tf.Tensor) =>
    weigh(tf.conv2d(a as tf.Tensor4D, f as tf.Tensor4D, stride, pad)),
  );
  return tf.tidy(() => grad([x, filter]).map((g) => Float32Array.from(g.dataSync())));
}

test.each([
  { size: [2, 9, 7, 3], filter: [5, 5, 3, 4], stride: 2, pad: 'same' as const },
  { size: [3, 8, 8, 4], filter: [3, 3, 4, 6], stride: 1, pad: 'same' as const },
  { size: [1, 6, 10, 2], filter: [2, 3, 2, 3], stride: 2, pad: 'valid' as const },
  { size: [2, 5, 5, 8], filter: [1, 1, 8, 8], stride: 1, pad: 'valid' as const },
])('a convolution of $filter over $size, stride $stride, $pad: as on the cpu backend', async (given) => {
  const { size, filter, stride, pad } = given;
  const numbers = (shape: number[], seed: number) =>
    tf.randomNormal(shape, 0, 1, 'float32', seed).dataSync() as Float32Array;
  const values = [numbers(size, 1), numbers(filter, 2)];
  const run = () => {
    const x = tf.tensor4d(values[0]!, size as [number, number, number, number]);
    const f = tf.tensor4d(values[1]!, filter as [number, number, number, number]);
    const result = gradients(x, f, stride, pad);
    tf.dispose([x, f]);
    return result;
  };
  await tf.setBackend('wasm');
  const before = tf.memory().numTensors;
  const ours = run();
  expect(tf.memory().numTensors).toBe(before);
  await tf.setBackend('cpu');
  const expected = run();
  await tf.setBackend('wasm');
  for (const [i, gradient] of expected.entries()) {
    gradient.forEach((value, j) => {
      expect(Math.abs(ours[i]![j]! - value)).toBeLessThan(1e-4);
    });
  }
});
