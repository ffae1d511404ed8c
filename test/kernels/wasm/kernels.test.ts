/** Every kernel against its definition in float64, with and without fused multiply-add, at shapes that fit no tile. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { probeSimd, registerWasmKernels, unregisterWasmKernels } from '../../../src/kernels/wasm/index.js';
import { ATTENTION, GELU_GRADIENT, LAYER_NORM, LINEAR, PATCH_EMBED } from '../../../src/ops/kernelNames.js';
import * as reference from './reference.js';
import { randomNormals, relativeError } from './reference.js';

const TOLERANCE = 2e-6;

function run(name: string, inputs: Record<string, tf.Tensor | undefined>, attrs = {}): Float32Array {
  const given = Object.fromEntries(Object.entries(inputs).filter(([, input]) => input)) as tf.NamedTensorMap;
  const output = tf.engine().runKernel(name, given, attrs) as tf.Tensor;
  const values = output.dataSync() as Float32Array;
  tf.dispose([output, ...Object.values(given)]);
  return values;
}

const builds = probeSimd() === 'relaxed' ? (['relaxed', 'simd'] as const) : (['simd'] as const);

describe.each(builds)('WASM kernels, %s', (simd) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    expect(await registerWasmKernels({ simd })).toEqual({ simd, threads: 1 });
  });

  afterAll(unregisterWasmKernels);

  test.each([1, 7, 4001])('the gradient of GELU at %i places from -12 to 12', (count) => {
    const x = Float32Array.from({ length: count }, (_, i) => (count === 1 ? 0 : (24 * i) / (count - 1) - 12));
    const dy = randomNormals(count, 1);
    const dx = run(GELU_GRADIENT, { x: tf.tensor1d(x), dy: tf.tensor1d(dy) });
    for (let i = 0; i < count; i++) {
      const error = Math.abs(dx[i]! - dy[i]! * reference.geluSlope(x[i]!));
      expect(error).toBeLessThan(1e-6 * Math.max(1, Math.abs(dy[i]!)));
    }
  });

  const shapes = [
    [1, 1, 1],
    [1, 192, 500],
    [5, 3, 7],
    [6, 16, 8],
    [7, 17, 9],
    [12, 385, 15],
    [197, 192, 20],
    [198, 768, 24],
    [205, 400, 33],
    [397, 769, 12],
  ] as const;

  test.each(shapes)('linear [%i, %i] · [%i]: every operand alone and all together', (m, k, n) => {
    const x = randomNormals(m * k, 1);
    const kernel = randomNormals(k * n, 2);
    const bias = randomNormals(n, 3);
    const scale = randomNormals(n, 4);
    const residual = randomNormals(m * n, 5);
    const cases: Partial<reference.LinearOperands>[] = [
      {},
      { bias },
      { bias, useGelu: true },
      { bias, residual },
      { scale },
      { bias, scale, residual, useGelu: true },
    ];
    for (const operands of cases) {
      const vector = (values?: Float32Array) => values && tf.tensor1d(values);
      const actual = run(
        LINEAR,
        {
          x: tf.tensor2d(x, [m, k]),
          kernel: tf.tensor2d(kernel, [k, n]),
          bias: vector(operands.bias),
          scale: vector(operands.scale),
          residual: operands.residual && tf.tensor2d(operands.residual, [m, n]),
        },
        { activation: operands.useGelu ? 'gelu' : 'none' },
      );
      const expected = reference.linear(m, k, n, { x, kernel, ...operands });
      expect(relativeError(actual, expected)).toBeLessThan(TOLERANCE);
    }
  });

  test('linear keeps the leading axes and repeats a residual over the batch', () => {
    const [batch, tokens, k, n] = [3, 5, 20, 11];
    const x = randomNormals(batch * tokens * k, 6);
    const kernel = randomNormals(k * n, 7);
    const residual = randomNormals(tokens * n, 8);
    const inputs = {
      x: tf.tensor3d(x, [batch, tokens, k]),
      kernel: tf.tensor2d(kernel, [k, n]),
      residual: tf.tensor3d(residual, [1, tokens, n]),
    };
    const y = tf.engine().runKernel(LINEAR, inputs, { activation: 'none' }) as tf.Tensor;
    expect(y.shape).toEqual([batch, tokens, n]);
    const expected = reference.linear(batch * tokens, k, n, { x, kernel, residual });
    expect(relativeError(y.dataSync(), expected)).toBeLessThan(TOLERANCE);
    tf.dispose([y, ...Object.values(inputs)]);
  });

  test('gelu is exact to 1.5e-7, from the far left to the far right, and keeps NaN and infinity', () => {
    const x = Float32Array.from({ length: 40001 }, (_, i) => (i - 20000) / 2000);
    const far = [-1e30, -1e4, -50, 50, 1e4, 1e30, Number.POSITIVE_INFINITY, Number.NaN];
    const values = Float32Array.from([...x, ...far]);
    const actual = run(
      LINEAR,
      { x: tf.tensor2d(values, [values.length, 1]), kernel: tf.tensor2d([1], [1, 1]) },
      { activation: 'gelu' },
    );
    const error = x.map(
      (value, i) => Math.abs(actual[i]! - reference.gelu(value)) / Math.max(1, Math.abs(value)),
    );
    expect(Math.max(...error)).toBeLessThan(1.5e-7);
    const ends = [...actual.slice(x.length)];
    ends.slice(0, 3).forEach((value) => {
      expect(Math.abs(value)).toBeLessThan(1e-8);
    });
    expect(ends.slice(3)).toEqual(far.slice(3).map(Math.fround));
  });

  test.each([1, 2, 3, 4, 5, 17, 192, 770])('layer norm over %i values', (d) => {
    const m = 9;
    const x = randomNormals(m * d, 9).map((value, i) => value * (1 + (i % 7)) + 3);
    const gamma = randomNormals(d, 10);
    const beta = randomNormals(d, 11);
    const inputs = { x: tf.tensor3d(x, [3, 3, d]), gamma: tf.tensor1d(gamma), beta: tf.tensor1d(beta) };
    const actual = run(LAYER_NORM, inputs, { epsilon: 1e-6 });
    const expected = reference.layerNorm(x, gamma, beta, 1e-6);
    expect(relativeError(actual, expected)).toBeLessThan(TOLERANCE);
  });

  const heads = [
    [1, 1, 1, 1],
    [2, 5, 3, 64],
    [1, 6, 2, 5],
    [3, 8, 1, 7],
    [2, 17, 2, 16],
    [1, 50, 4, 48],
    [1, 197, 3, 64],
    [1, 198, 1, 30],
    [1, 257, 1, 80],
    [1, 1025, 1, 16],
  ] as const;

  test.each(heads)('attention: batch %i, %i tokens, %i heads of %i', (b, t, numHeads, d) => {
    const qkv = randomNormals(b * t * 3 * numHeads * d, 12);
    const actual = run(ATTENTION, { qkv: tf.tensor3d(qkv, [b, t, 3 * numHeads * d]) }, { numHeads });
    expect(relativeError(actual, reference.attention(qkv, b, t, numHeads, d))).toBeLessThan(TOLERANCE);
  });

  test('attention stands scores of any size', () => {
    const [t, d] = [13, 8];
    const qkv = randomNormals(t * 3 * d, 13).map((value) => 1000 * value);
    const actual = run(ATTENTION, { qkv: tf.tensor3d(qkv, [1, t, 3 * d]) }, { numHeads: 1 });
    expect(relativeError(actual, reference.attention(qkv, 1, t, 1, d))).toBeLessThan(TOLERANCE);
  });

  const images = [
    [1, 4, 4, 1, 4, 3],
    [2, 32, 48, 3, 16, 20],
    [3, 28, 14, 3, 14, 8],
    [1, 224, 224, 3, 16, 8],
    [1, 64, 32, 13, 32, 9],
    [2, 6, 10, 2, 2, 17],
  ] as const;

  test.each(
    images,
  )('patch embedding: %i images of %i × %i × %i, patches of %i, %i wide', (b, h, w, c, p, n) => {
    const x = randomNormals(b * h * w * c, 14);
    const kernel = randomNormals(p * p * c * n, 15);
    const bias = randomNormals(n, 16);
    const rows = reference.patches(x, b, h, w, c, p);
    const actual = run(PATCH_EMBED, {
      x: tf.tensor4d(x, [b, h, w, c]),
      kernel: tf.tensor4d(kernel, [p, p, c, n]),
      bias: tf.tensor1d(bias),
    });
    const k = p * p * c;
    const expected = reference.linear(rows.length / k, k, n, { x: rows, kernel, bias });
    expect(relativeError(actual, expected)).toBeLessThan(TOLERANCE);
  });

  test('an empty batch gives an empty output', () => {
    const x = tf.zeros([0, 5, 12]);
    expect(run(LINEAR, { x, kernel: tf.ones([12, 4]) }, { activation: 'none' })).toHaveLength(0);
    expect(run(ATTENTION, { qkv: tf.zeros([0, 5, 12]) }, { numHeads: 2 })).toHaveLength(0);
  });

  test('shapes that do not fit are refused before memory is touched', () => {
    const x = tf.zeros([2, 5]);
    const kernel = tf.zeros([4, 3]);
    expect(() => tf.engine().runKernel(LINEAR, { x, kernel }, { activation: 'none' })).toThrow(
      'DeitLinear: expected x [..., K], kernel [K, N], found x float32 [2,5], kernel float32 [4,3]',
    );
    const ints = tf.zeros([2, 4], 'int32');
    expect(() => tf.engine().runKernel(LINEAR, { x: ints, kernel }, { activation: 'none' })).toThrow(
      'float32 for x',
    );
    tf.dispose([x, kernel, ints]);
  });
});
