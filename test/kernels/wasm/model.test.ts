/** A whole model, its gradient too, with the kernels and without them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import {
  countPackedWeights,
  registerWasmKernels,
  unregisterWasmKernels,
} from '../../../src/kernels/wasm/index.js';
import { memoryOf, type WasmBackend } from '../../../src/kernels/wasm/wasmBackend.js';
import { buildModel, createModel, resolveConfig } from '../../../src/models/create.js';
import { defaultPreprocessing } from '../../../src/models/preprocessing.js';
import { LINEAR } from '../../../src/ops/kernelNames.js';
import { linear } from '../../../src/ops/linear.js';
import { randomNormals, relativeError } from './reference.js';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

afterAll(unregisterWasmKernels);

/** What `compute` gives on plain ops, then with the kernels. */
async function both(compute: () => Float32Array): Promise<[Float32Array, Float32Array]> {
  await unregisterWasmKernels();
  const plain = compute();
  await registerWasmKernels();
  expect(tf.getKernel(LINEAR, 'wasm')).toBeDefined();
  return [plain, compute()];
}

const SMALL = { embedDim: 48, numHeads: 3, depth: 3, numClasses: 10, imgSize: 40, patchSize: 8 };

test.each([
  ['plain', {}],
  ['distilled', { distilled: true }],
  ['with layer scale', { layerScale: 0.3, qkvBias: false }],
])('a model, %s: logits', async (_, overrides) => {
  const model = createModel({ name: 'small', ...SMALL, ...overrides, imgSize: [40, 40] });
  const x = tf.tensor4d(randomNormals(3 * 40 * 40 * 3, 1), [3, 40, 40, 3]);
  const [plain, fast] = await both(() => tf.tidy(() => model.predict(x).dataSync().slice() as Float32Array));
  expect(relativeError(fast, plain)).toBeLessThan(1e-5);
  expect(countPackedWeights()).toBeGreaterThan(0);
  model.dispose();
  x.dispose();
  expect(countPackedWeights()).toBe(0);
});

test('the gradient of a linear layer with everything', async () => {
  const x = tf.tensor3d(randomNormals(2 * 5 * 12, 2), [2, 5, 12]);
  const kernel = tf.tensor2d(randomNormals(12 * 9, 3), [12, 9]);
  const bias = tf.tensor1d(randomNormals(9, 4));
  const scale = tf.tensor1d(randomNormals(9, 5));
  const residual = tf.tensor3d(randomNormals(2 * 5 * 9, 6), [2, 5, 9]);
  const loss = (...args: tf.Tensor[]) => {
    const [a, b, c, d, e] = args as [tf.Tensor3D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D, tf.Tensor3D];
    return tf.sum(tf.square(linear(a, b, { bias: c, activation: 'gelu', scale: d, residual: e })));
  };
  const operands = [x, kernel, bias, scale, residual];
  const [plain, fast] = await both(() =>
    tf.tidy(() => {
      const gradients = tf.grads(loss as never)(operands) as tf.Tensor[];
      return Float32Array.from(gradients.flatMap((gradient) => [...gradient.dataSync()]));
    }),
  );
  expect(plain).toHaveLength(120 + 108 + 9 + 9 + 90);
  expect(relativeError(fast, plain)).toBeLessThan(1e-5);
  tf.dispose(operands);
});

test('1,000 models loaded, used and disposed leave the memory as a few of them leave it', async () => {
  await registerWasmKernels();
  const x = tf.zeros<tf.Rank.R4>([1, 40, 40, 3]);
  const config = resolveConfig({ name: 'small', ...SMALL, imgSize: [40, 40], depth: 1 });
  const round = () => {
    const model = buildModel(config, { preprocessing: defaultPreprocessing(config) });
    tf.tidy(() => model.predict(x).dataSync());
    expect(countPackedWeights()).toBe(6);
    model.dispose();
  };
  for (let i = 0; i < 10; i++) round();
  const { numTensors, numBytes } = tf.memory();
  const { buffer } = memoryOf(tf.backend() as WasmBackend)!;
  const address = nextAddress();
  for (let i = 0; i < 1000; i++) round();
  expect(tf.memory()).toMatchObject({ numTensors, numBytes });
  expect(countPackedWeights()).toBe(0);
  expect(memoryOf(tf.backend() as WasmBackend)!.buffer).toBe(buffer);
  expect(nextAddress()).toBe(address);
  x.dispose();
});

/** Where the backend's allocator finds room: the same place again and again unless something is left over. */
function nextAddress(): number {
  const { wasm } = tf.backend() as WasmBackend;
  const block = wasm._malloc(100_000);
  wasm._free(block);
  return block;
}
