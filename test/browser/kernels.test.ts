/** The kernels of the GPU backends against the same mathematics in plain tfjs ops, at shapes that fit no tile. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage, type WatchedPage } from './page.js';
import { startServer, type TestServer } from './server.js';

/** Runs in the page: the largest difference of each case, relative to the largest value, and tensors left over. */
async function compare(backend: string) {
  const { deit } = globalThis;
  const { tf } = deit;
  type Tensor = ReturnType<typeof tf.tensor>;
  await deit.useBackend(backend);
  let seed = 0.1;
  const random = (shape: number[]): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    seed += 0.1;
    return tf.tensor(
      Array.from({ length: size }, (_, i) => 2 * Math.sin(i * (1 + seed) + seed)),
      shape,
    );
  };
  const run = (name: string, inputs: Record<string, Tensor>, attrs = {}) =>
    tf.engine().runKernel(name, inputs, attrs) as Tensor;
  const gelu = (x: Tensor) => tf.mul(x, tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5));

  const composed: Record<string, (inputs: Record<string, Tensor>, attrs: Record<string, number>) => Tensor> =
    {
      DeitLinear: ({ x, kernel, bias, scale, residual }, { activation }) => {
        const [k, n] = kernel!.shape as [number, number];
        let y: Tensor = tf.matMul(tf.reshape(x!, [-1, k]), kernel!);
        if (bias) y = tf.add(y, bias);
        if (activation) y = gelu(y);
        if (scale) y = tf.mul(y, scale);
        y = tf.reshape(y, [...x!.shape.slice(0, -1), n]);
        return residual ? tf.add(y, residual) : y;
      },
      DeitLayerNorm: ({ x, gamma, beta }, { epsilon }) => {
        const centred = tf.sub(x!, tf.mean(x!, -1, true));
        const variance = tf.mean(tf.square(centred), -1, true);
        return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon!))), gamma!), beta!);
      },
      DeitAttention: ({ qkv }, { numHeads: heads }) => {
        const [batch, tokens, width] = qkv!.shape as [number, number, number];
        const d = width / 3 / heads!;
        const split = tf.transpose(tf.reshape(qkv!, [batch, tokens, 3, heads!, d]), [2, 0, 3, 1, 4]);
        const [q, k, v] = tf.unstack(split) as [Tensor, Tensor, Tensor];
        const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(d)));
        return tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [batch, tokens, width / 3]);
      },
      DeitPatchEmbed: ({ x, kernel, bias }) => {
        const [patch, , , n] = kernel!.shape as [number, number, number, number];
        const grid = tf.conv2d(x as ReturnType<typeof tf.tensor4d>, kernel as never, patch, 'valid');
        return tf.add(tf.reshape(grid, [x!.shape[0], -1, n]), bias!);
      },
    };

  const cases: [string, Record<string, number[]>, Record<string, unknown>?][] = [];
  for (const [m, k, n] of [
    [5, 3, 7],
    [12, 16, 12],
    [198, 192, 20],
  ] as const) {
    cases.push(['DeitLinear', { x: [m, k], kernel: [k, n] }]);
    const vectors = { bias: [n], scale: [n] };
    cases.push([
      'DeitLinear',
      { x: [m, k], kernel: [k, n], ...vectors, residual: [m, n] },
      { activation: 'gelu' },
    ]);
  }
  const inBatch = { x: [3, 5, 12], kernel: [12, 10], bias: [10] };
  cases.push(['DeitLinear', inBatch, { activation: 'gelu' }]);
  cases.push(['DeitLinear', { ...inBatch, residual: [3, 5, 10] }]);
  cases.push(['DeitLinear', { ...inBatch, residual: [1, 5, 10] }]);
  for (const [shape, d] of [
    [[5, 7], 7],
    [[2, 3, 192], 192],
  ] as [number[], number][]) {
    cases.push(['DeitLayerNorm', { x: shape, gamma: [d], beta: [d] }, { epsilon: 1e-6 }]);
  }
  for (const [batch, tokens, heads, d] of [
    [2, 11, 3, 4],
    [1, 197, 1, 64],
    [2, 7, 3, 5],
  ] as const) {
    cases.push(['DeitAttention', { qkv: [batch, tokens, 3 * heads * d] }, { numHeads: heads }]);
  }
  for (const [batch, height, width, channels, patch, n] of [
    [1, 24, 24, 3, 8, 16],
    [2, 16, 32, 3, 8, 15],
  ] as const) {
    const kernel = [patch, patch, channels, n];
    cases.push(['DeitPatchEmbed', { x: [batch, height, width, channels], kernel, bias: [n] }]);
  }

  const results: { name: string; error: number; left: number }[] = [];
  for (const [name, shapes, attrs = {}] of cases) {
    if (!tf.getKernel(name, backend)) continue;
    const before = tf.memory().numTensors;
    const inputs = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, random(shape)]));
    const [actual, expected] = tf.tidy(() => [
      run(name, inputs, { activation: 'none', ...attrs }),
      composed[name]!(inputs, attrs as Record<string, number>),
    ]);
    const [found, wanted] = [await actual!.data(), await expected!.data()];
    const same = String(actual!.shape) === String(expected!.shape);
    let [difference, largest] = [0, 0];
    for (const [i, value] of wanted.entries()) {
      difference = Math.max(difference, Math.abs(value - found[i]!));
      largest = Math.max(largest, Math.abs(value));
    }
    tf.dispose([actual!, expected!, ...Object.values(inputs)]);
    const left = tf.memory().numTensors - before;
    const error = same ? difference / largest : Number.MAX_VALUE;
    results.push({ name: `${name} ${JSON.stringify(shapes)} ${JSON.stringify(attrs)}`, error, left });
  }
  return results;
}

describeInBrowser('kernels of the GPU backends', () => {
  let browser: Browser;
  let server: TestServer;
  let watched: WatchedPage;

  beforeAll(async () => {
    server = await startServer();
    browser = await launchChromium();
    watched = await openPage(browser, server);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test.each([
    ['webgl', 14],
    ['webgpu', 16],
  ])('%s: within 1e-5 of the composed ops', async (backend, count) => {
    const results = await watched.page.evaluate(compare, backend);
    expect(results).toHaveLength(count);
    for (const { name, error, left } of results) {
      expect({ name, exact: error < 1e-5, left }).toEqual({ name, exact: true, left: 0 });
    }
    expect(watched.errors).toEqual([]);
  });
});
