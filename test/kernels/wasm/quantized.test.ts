/** 8-bit products against a plain reference in whole numbers, bit for bit, in both builds; whole blocks against float32. */
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { dequantizeMatrix, quantizeMatrix } from '../../../src/families/vit/quantize.js';
import { probeSimd, registerWasmKernels, unregisterWasmKernels } from '../../../src/kernels/wasm/index.js';
import {
  compileKernels,
  instantiateKernels,
  type KernelExports,
} from '../../../src/kernels/wasm/kernelModule.js';
import { attention } from '../../../src/ops/attention.js';
import { quantizedBlock } from '../../../src/ops/index.js';
import { QUANTIZED_BLOCK } from '../../../src/ops/kernelNames.js';
import { layerNorm } from '../../../src/ops/layerNorm.js';
import { linear } from '../../../src/ops/linear.js';
import { randomNormals, relativeError } from './reference.js';

const builds = probeSimd() === 'relaxed' ? (['relaxed', 'simd'] as const) : (['simd'] as const);

/** What the kernel makes of a row: its codes, their scale and the code of 0, by single-precision arithmetic. */
function codesOf(row: Float32Array, levels: number) {
  const rotated = rotate(row);
  const least = Math.min(0, ...rotated);
  const range = Math.fround(Math.max(0, ...rotated) - least);
  const factor = range > 0 ? Math.fround(levels / range) : 0;
  const zero = roundHalfEven(Math.fround(-least * factor)) + 0; // + 0: no -0
  const codes = [...rotated].map((value) =>
    Math.min(levels, roundHalfEven(Math.fround(Math.fround(value * factor) + zero + 12582912)) - 12582912),
  );
  return { codes, zero, scale: Math.fround(range / levels) };
}

/** Fast Walsh–Hadamard transform by fours, in the kernel's order of additions. */
function rotate(row: Float32Array): Float32Array {
  const out = Float32Array.from(row);
  const k = row.length;
  let span = k;
  for (let n = [64, 16, 4].find((size) => k % size === 0) ?? 1; n > 1; n /= 4) {
    const quarter = span / 4;
    for (let start = 0; start < k; start += span) {
      for (let i = start; i < start + quarter; i++) {
        const [a, b, c, d] = [0, 1, 2, 3].map((part) => out[i + part * quarter]) as [
          number,
          number,
          number,
          number,
        ];
        const f = Math.fround;
        out[i] = f(f(a + b) + f(c + d));
        out[i + quarter] = f(f(a - b) + f(c - d));
        out[i + 2 * quarter] = f(f(a + b) - f(c + d));
        out[i + 3 * quarter] = f(f(a - b) - f(c - d));
      }
    }
    span = quarter;
  }
  return out;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The sums of the kernel: i32 [m, n], and each row's scale and zero. */
async function sumsByKernel(
  simd: 'simd' | 'relaxed',
  x: Float32Array,
  m: number,
  k: number,
  n: number,
  codes: Float32Array,
  scale: Float32Array,
  precise: number,
) {
  const memory = new WebAssembly.Memory({ initial: 200 });
  const kernels: KernelExports = instantiateKernels(await compileKernels(simd, false), memory);
  let next = 1024;
  const take = (bytes: number) => {
    const at = next;
    next += Math.ceil(bytes / 64) * 64;
    if (next > memory.buffer.byteLength) throw new Error('the test takes more memory than it has');
    return at;
  };
  const put = (values: Float32Array) => {
    const at = take(4 * values.length);
    new Float32Array(memory.buffer, at, values.length).set(values);
    return at;
  };
  const [xAt, codesAt, scaleAt] = [put(x), put(codes), put(scale)];
  const packed = take(kernels.quantizedPackedBytes(k, n));
  kernels.packQuantized(codesAt, scaleAt, k, n, packed);
  const panels = Math.ceil(n / 8);
  const sumsAt = take(panels * m * 32);
  const parametersAt = take(m * 8);
  const scratch = take(kernels.quantizedSumsScratchBytes(m, k, precise));
  kernels.quantizedSums(xAt, m, k, n, precise, packed, sumsAt, parametersAt, scratch);
  const view = new Int32Array(memory.buffer, sumsAt, panels * m * 8);
  const sums = Array.from({ length: m * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    return view[((column >> 3) * m + row) * 8 + (column & 7)]!;
  });
  const zeros = [...new Int32Array(memory.buffer, parametersAt, 2 * m)].filter((_, i) => i % 2 === 1);
  const scales = [...new Float32Array(memory.buffer, parametersAt, 2 * m)].filter((_, i) => i % 2 === 0);
  return { sums, zeros, scales };
}

function sumsByHand(x: Float32Array, m: number, k: number, n: number, codes: Float32Array, precise: number) {
  const rows = Array.from({ length: m }, (_, row) =>
    codesOf(x.subarray(row * k, (row + 1) * k), row < precise ? 2047 : 127),
  );
  const sums = rows.flatMap(({ codes: row }) =>
    Array.from({ length: n }, (_, column) =>
      row.reduce((sum, code, i) => sum + code * codes[i * n + column]!, 0),
    ),
  );
  return { sums, zeros: rows.map(({ zero }) => zero), scales: rows.map(({ scale }) => scale) };
}

describe.each(builds)('whole-number sums, %s', (simd) => {
  const shapes = [
    [1, 1, 1, 0],
    [3, 5, 7, 1],
    [5, 16, 8, 1],
    [7, 36, 9, 2],
    [20, 192, 24, 1],
    [33, 100, 17, 0],
    [9, 768, 12, 2],
    [2, 16, 16, 1],
    [33, 64, 32, 0],
    [20, 192, 48, 1],
    [17, 768, 16, 2],
  ] as const;

  test.each(shapes)('[%i, %i] · [%i], %i rows of 11 bits: every bit', async (m, k, n, precise) => {
    const x = randomNormals(m * k, 1).map((value, i) => value * (1 + (i % 5)) + (i % 3));
    const { codes, scale } = quantizeMatrix(randomNormals(k * n, 2), k, n);
    const actual = await sumsByKernel(simd, x, m, k, n, codes, scale, precise);
    expect(actual).toEqual(sumsByHand(x, m, k, n, codes, precise));
  });

  test.each([
    ['all of one sign', () => 1],
    ['of alternating signs', (i: number) => (i % 2 ? -1 : 1)],
    ['of the signs of a chessboard of pairs', (i: number) => ((i >> 1) % 2 ? -1 : 1)],
    ['one outlier among small ones', (i: number) => (i % 17 ? 0.01 : 1)],
  ])('the largest codes stay within 16 bits: weights %s', async (_, weight) => {
    const [m, k, n] = [4, 67, 8]; // 67: no rotation, so that the weights stay as they are
    const { codes, scale } = quantizeMatrix(
      Float32Array.from({ length: k * n }, (_, i) => weight(Math.floor(i / n))),
      k,
      n,
    );
    const x = Float32Array.from({ length: m * k }, (_, i) => [1, -1, i % 2, (i % 4) - 1][Math.floor(i / k)]!);
    const actual = await sumsByKernel(simd, x, m, k, n, codes, scale, 0);
    expect(actual).toEqual(sumsByHand(x, m, k, n, codes, 0));
    expect(Math.max(...codes.map(Math.abs))).toBeGreaterThan(60);
  });
});

test.each([
  [8, 3],
  [67, 9],
  [192, 30],
  [1536, 5],
])('a [%i, %i] matrix: codes within ±127, near the values, sums of four of a sign within 258', (k, n) => {
  const values = randomNormals(k * n, 3).map((value, i) => value * (1 + (i % n)));
  const quantized = quantizeMatrix(values, k, n);
  const { codes, scale } = quantized;
  expect(codes.every((code) => Number.isInteger(code) && Math.abs(code) <= 127)).toBe(true);
  for (let column = 0; column < n; column++) {
    for (let row = 0; row < k; row += 8) {
      for (const offsets of [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
      ]) {
        const four = offsets.filter((at) => row + at < k).map((at) => codes[(row + at) * n + column]!);
        for (const sign of [1, -1]) {
          expect(four.reduce((sum, code) => sum + Math.max(0, sign * code), 0)).toBeLessThanOrEqual(258);
        }
      }
    }
  }
  const back = dequantizeMatrix(quantized, k, n);
  // A rotation spreads the rounding errors: each is at most half a step times √size, and mostly far less.
  const size = [64, 16, 4].find((points) => k % points === 0) ?? 1;
  values.forEach((value, i) => {
    expect(Math.abs(back[i]! - value)).toBeLessThan(scale[i % n]! * (0.5 * size + 0.01));
  });
  const noise = Math.sqrt(
    back.reduce((sum, value, i) => sum + ((value - values[i]!) / scale[i % n]!) ** 2, 0) / (k * n),
  );
  expect(noise).toBeLessThan(0.35 * Math.sqrt(size));
});

describe.each(builds)('a block, %s', (simd) => {
  test.each([
    [2, 17, 48, 3, 192, {}],
    [1, 50, 36, 3, 90, { layerScale: true }],
    [1, 5, 20, 2, 33, { layerScale: true, noBias: true }],
    [1, 400, 64, 1, 1600, {}],
    [2, 197, 192, 3, 768, { layerScale: true }],
  ])('%i images of %i tokens, width %i, %i heads, hidden %i, %o', async (b, t, d, numHeads, hidden, options) => {
    const { layerScale, noBias } = options as { layerScale?: boolean; noBias?: boolean };
    await tf.setBackend('wasm');
    await unregisterWasmKernels();
    await registerWasmKernels({ simd });
    const before = tf.memory().numTensors;
    let seed = 10;
    const vector = (n: number, mean = 0) => tf.tensor1d(randomNormals(n, seed++).map((v) => mean + 0.1 * v));
    const matrix = (k: number, n: number, bias = true) => {
      const quantized = quantizeMatrix(
        randomNormals(k * n, seed++).map((v) => v / Math.sqrt(k)),
        k,
        n,
      );
      return {
        codes: tf.tensor2d(quantized.codes, [k, n]),
        scale: tf.tensor1d(quantized.scale),
        bias: bias ? vector(n) : undefined,
        float: tf.tensor2d(dequantizeMatrix(quantized, k, n), [k, n]),
      };
    };
    const weights = {
      norm1: { gamma: vector(d, 1), beta: vector(d) },
      qkv: matrix(d, 3 * d, !noBias),
      proj: matrix(d, d),
      scale1: layerScale ? vector(d, 0.5) : undefined,
      norm2: { gamma: vector(d, 1), beta: vector(d) },
      fc1: matrix(d, hidden),
      fc2: matrix(hidden, d),
      scale2: layerScale ? vector(d, 0.5) : undefined,
    };
    const x = tf.tensor3d(randomNormals(b * t * d, seed++), [b, t, d]);
    const [branches, expected] = tf.tidy(() => {
      const norm = (y: tf.Tensor3D, { gamma, beta }: typeof weights.norm1) => layerNorm(y, gamma, beta, 1e-6);
      const multiply = (y: tf.Tensor3D, w: typeof weights.qkv, more = {}) =>
        linear(y, w.float, { bias: w.bias, ...more });
      const attended = attention(multiply(norm(x, weights.norm1), weights.qkv), numHeads);
      const y = multiply(attended, weights.proj, { scale: weights.scale1, residual: x });
      const inner = multiply(norm(y, weights.norm2), weights.fc1, { activation: 'gelu' });
      const z = multiply(inner, weights.fc2, { scale: weights.scale2, residual: y });
      return [tf.sub(z, x).dataSync().slice(), z.dataSync().slice()];
    });
    const output = quantizedBlock(x, weights, { numHeads, epsilon: 1e-6, prefixTokens: 1 });
    const actual = output.dataSync().slice();
    // The class token's rows have 11 bits, the others 7.
    const firstRows = (values: ArrayLike<number>) =>
      Array.from(values).filter((_, i) => Math.floor(i / d) % t === 0);
    const error = (take: (values: ArrayLike<number>) => ArrayLike<number>) => {
      const [a, e, r] = [take(actual), take(expected), take(branches)];
      const difference = Array.from(a, (value, i) => value - e[i]!);
      return Math.hypot(...difference) / Math.hypot(...Array.from(r));
    };
    expect(error(firstRows)).toBeLessThan(0.01);
    expect(error((values) => Array.from(values).slice(0, 40 * d))).toBeLessThan(0.025);
    tf.dispose([output, x]);
    for (const part of Object.values(weights))
      if (part) tf.dispose('dataId' in part ? part : Object.values(part));
    expect(tf.memory().numTensors).toBe(before);
  });

  test('weights of a wrong shape are refused before memory is touched', async () => {
    await tf.setBackend('wasm');
    await registerWasmKernels();
    const x = tf.zeros([1, 4, 8]);
    const wrong = { x, norm1Gamma: tf.zeros([7]), fc1Codes: tf.zeros([8, 16]) };
    expect(() =>
      tf.engine().runKernel(QUANTIZED_BLOCK, wrong, { numHeads: 2, epsilon: 1e-6, prefixTokens: 1 }),
    ).toThrow('DeitQuantizedBlock: expected norm1Gamma [8], found norm1Gamma float32 [7]');
    tf.dispose(Object.values(wrong));
  });
});

test('both builds give the same sums', async () => {
  if (builds.length < 2) return;
  const [m, k, n] = [41, 384, 16];
  const x = randomNormals(m * k, 5);
  const { codes, scale } = quantizeMatrix(randomNormals(k * n, 6), k, n);
  const [a, b] = await Promise.all(builds.map((simd) => sumsByKernel(simd, x, m, k, n, codes, scale, 1)));
  expect(a).toEqual(b);
  expect(relativeError(a!.sums, b!.sums)).toBe(0);
});
