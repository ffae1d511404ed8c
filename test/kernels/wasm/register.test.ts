/** How the kernels live with the engine: packed weights and memory, moved tensors, tidy, profile, plain ops beside them. */
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {
  countPackedWeights,
  probeSimd,
  registerWasmKernels,
  unregisterWasmKernels,
} from '../../../src/kernels/wasm/index.js';
import { memoryOf, type WasmBackend } from '../../../src/kernels/wasm/wasmBackend.js';
import { ATTENTION, LAYER_NORM, LINEAR, PATCH_EMBED } from '../../../src/ops/kernelNames.js';
import * as reference from './reference.js';
import { randomNormals, relativeError } from './reference.js';

const NAMES = [LINEAR, LAYER_NORM, ATTENTION, PATCH_EMBED];

function linear(x: tf.Tensor, kernel: tf.Tensor): tf.Tensor {
  return tf.engine().runKernel(LINEAR, { x, kernel }, { activation: 'none' }) as tf.Tensor;
}

function backend(): WasmBackend {
  return tf.backend() as WasmBackend;
}

beforeEach(async () => {
  await tf.setBackend('wasm');
  await registerWasmKernels();
});

afterAll(unregisterWasmKernels);

test('the engine’s abilities are found by validating one instruction', () => {
  expect(probeSimd(() => true)).toBe('relaxed');
  expect(probeSimd(() => false)).toBe('none');
  // Relaxed multiply-add is the only one of the two probes with the opcode 0x105.
  expect(probeSimd((bytes) => !(bytes as Uint8Array).includes(0x85))).toBe('simd');
  expect(probeSimd()).toBe(Number(process.versions.node.split('.')[0]) >= 22 ? 'relaxed' : 'simd');
});

test('without SIMD nothing is registered', async () => {
  await unregisterWasmKernels();
  expect(await registerWasmKernels({ simd: 'none' })).toEqual({
    simd: 'none',
    threads: 1,
    reason: 'no WebAssembly SIMD',
  });
  for (const name of NAMES) expect(tf.getKernel(name, 'wasm')).toBeUndefined();
  await unregisterWasmKernels();
});

test('registering twice, and again after taking back, is as registering once', async () => {
  await registerWasmKernels();
  for (const name of NAMES) expect(tf.getKernel(name, 'wasm')).toBeDefined();
  await unregisterWasmKernels();
  for (const name of NAMES) expect(tf.getKernel(name, 'wasm')).toBeUndefined();
  await registerWasmKernels();
  for (const name of NAMES) expect(tf.getKernel(name, 'wasm')).toBeDefined();
});

test('the kernels agree with the plain ops of the backend', () => {
  const error = tf.tidy(() => {
    const x = tf.tensor2d(randomNormals(40 * 60, 1), [40, 60]);
    const kernel = tf.tensor2d(randomNormals(60 * 30, 2), [60, 30]);
    return relativeError(linear(x, kernel).dataSync(), tf.matMul(x, kernel).dataSync());
  });
  expect(error).toBeLessThan(2e-6);
});

test('a weight is packed once and freed with its tensor, also when only a reshaped view is left of it', () => {
  const before = countPackedWeights();
  const x = tf.ones([2, 12]);
  const flat = tf.ones([48]);
  const kernel = tf.reshape(flat, [12, 4]);
  const view = tf.reshape(kernel, [12, 4]);
  tf.dispose([linear(x, kernel), linear(x, view), linear(x, kernel)]);
  expect(countPackedWeights()).toBe(before + 1);
  tf.dispose([kernel, flat]);
  expect(countPackedWeights()).toBe(before + 1);
  expect([...linear(x, view).dataSync()]).toEqual(Array(8).fill(12));
  view.dispose();
  expect(countPackedWeights()).toBe(before);
  x.dispose();
});

test('a weight used under two shapes gives both products', () => {
  tf.tidy(() => {
    const values = randomNormals(48, 3);
    const tall = tf.tensor2d(values, [12, 4]);
    const wide = tf.reshape(tall, [4, 12]);
    // The backend's own matMul keeps the first shape and is no reference here.
    for (const kernel of [tall, wide, tall]) {
      const [k, n] = kernel.shape as [number, number];
      const expected = reference.linear(1, k, n, { x: new Float32Array(k).fill(1), kernel: values });
      expect(relativeError(linear(tf.ones([1, k]), kernel).dataSync(), expected)).toBeLessThan(1e-6);
    }
  });
});

test('loading and disposing of weights many times leaves memory where it was', () => {
  const round = () =>
    tf.tidy(() => {
      const x = tf.ones([3, 512]);
      for (let i = 0; i < 8; i++) linear(x, tf.ones([512, 512])).dataSync();
    });
  round();
  const packed = countPackedWeights();
  const { numTensors, numBytes } = tf.memory();
  const heap = memoryOf(backend())!.buffer.byteLength;
  // 40 rounds of 8 MB of weights, and as much of copies.
  for (let i = 0; i < 40; i++) round();
  expect(countPackedWeights()).toBe(packed);
  expect(tf.memory()).toMatchObject({ numTensors, numBytes });
  expect(memoryOf(backend())!.buffer.byteLength).toBe(heap);
});

test('memory that grows between two calls does not disturb the kernels', () => {
  tf.tidy(() => {
    const x = tf.ones([2, 12]);
    const kernel = tf.ones([12, 4]);
    linear(x, kernel).dataSync();
    const heap = memoryOf(backend())!.buffer.byteLength;
    tf.zeros([Math.ceil(heap / 4)]).dataSync();
    expect(memoryOf(backend())!.buffer.byteLength).toBeGreaterThan(heap);
    expect([...linear(x, kernel).dataSync()]).toEqual(Array(8).fill(12));
  });
});

test('without room for a packed copy the weight is read as it is', () => {
  const { wasm } = backend();
  const malloc = wasm._malloc;
  tf.tidy(() => {
    const x = tf.tensor2d(randomNormals(21 * 770, 4), [21, 770]);
    const kernel = tf.tensor2d(randomNormals(770 * 141, 5), [770, 141]);
    const expected = linear(x, kernel).dataSync();
    const another = tf.tensor2d(kernel.dataSync(), [770, 141]);
    const packed = countPackedWeights();
    wasm._malloc = (bytes) => (bytes >= 770 * 141 * 4 ? 0 : malloc(bytes));
    try {
      expect([...linear(x, another).dataSync()]).toEqual([...expected]);
    } finally {
      wasm._malloc = malloc;
    }
    expect(countPackedWeights()).toBe(packed);
  });
});

test('inputs on another backend are moved, and tidy and profile see ordinary tensors', async () => {
  await tf.setBackend('cpu');
  const x = tf.ones([2, 12]);
  const kernel = tf.ones([12, 4]);
  await tf.setBackend('wasm');
  const before = tf.memory().numTensors;
  const profile = await tf.profile(() => tf.tidy(() => linear(x, kernel).clone()));
  expect(profile.kernelNames).toContain(LINEAR);
  expect([...(profile.result as tf.Tensor).dataSync()]).toEqual(Array(8).fill(12));
  tf.dispose(profile.result);
  expect(tf.memory().numTensors).toBe(before);
  await tf.setBackend('cpu');
  expect([...tf.matMul(x as tf.Tensor2D, kernel as tf.Tensor2D).dataSync()]).toEqual(Array(8).fill(12));
  tf.dispose([x, kernel]);
});
