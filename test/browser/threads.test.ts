/** The WASM kernels on the shared memory of a cross-origin isolated page, on several threads. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPageWithCores } from './page.js';
import { startServer, type TestServer } from './server.js';

const CONFIG = {
  name: 'small',
  embedDim: 48,
  numHeads: 3,
  depth: 3,
  numClasses: 10,
  imgSize: [40, 40],
  patchSize: 8,
};

/** Runs in the page: logits of a model on the kernels, `times` times, then on plain ops. */
async function compare({ config, times }: { config: object; times: number }) {
  const { deit } = globalThis;
  const { tf } = deit;
  const { description } = await deit.useBackend('wasm');
  const model = deit.createModel(config as Parameters<typeof deit.createModel>[0], { imgSize: [40, 40] });
  const x = tf.tensor4d(
    Array.from({ length: 2 * 40 * 40 * 3 }, (_, i) => Math.sin(i * 1.7)),
    [2, 40, 40, 3],
  );
  const logits = () => [...tf.tidy(() => model.predict(x).dataSync())];
  const found = Array.from({ length: times }, logits);
  const kernels = tf.getKernelsForBackend('wasm').filter(({ kernelName }) => kernelName.startsWith('Deit'));
  for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, 'wasm');
  const plain = logits();
  for (const kernel of kernels) tf.registerKernel(kernel);
  model.dispose();
  x.dispose();
  return { description, isolated: globalThis.crossOriginIsolated, kernels: kernels.length, found, plain };
}

/** Runs in the page: logits of the digits' checkpoint in 8 bits, `times` times. */
async function quantized({ url, times }: { url: string; times: number }) {
  const { deit } = globalThis;
  const { tf } = deit;
  const checkpoint = await (await fetch(url)).arrayBuffer();
  const model = await deit.load(checkpoint, { backend: 'wasm', quantize: 'int8' });
  const x = tf.tensor4d(
    Array.from({ length: 2 * 28 * 28 * 3 }, (_, i) => Math.sin(i * 1.7)),
    [2, 28, 28, 3],
  );
  const found = Array.from({ length: times }, () => [...tf.tidy(() => model.predict(x).dataSync())]);
  model.dispose();
  x.dispose();
  return { description: (await deit.useBackend('wasm')).description, found };
}

describeInBrowser('WASM kernels in an isolated page', () => {
  let browser: Browser;
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer({ isolated: true });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** tfjs too takes half of the cores for its own threads. */
  const openWith = (cores: number) => openPageWithCores(browser, server, cores);

  test.each([
    [1, ''],
    [6, ', 3 threads'],
  ])('%i cores: the logits are those of the plain ops', async (cores, threads) => {
    const { page, errors } = await openWith(cores);
    const { description, isolated, kernels, found, plain } = await page.evaluate(compare, {
      config: CONFIG,
      times: 5,
    });
    expect(isolated).toBe(true);
    expect(description).toMatch(/^wasm: own kernels, SIMD( with fused multiply-add)?/);
    expect(description.replace(/^wasm: own kernels, SIMD( with fused multiply-add)?/, '')).toBe(threads);
    expect(kernels).toBeGreaterThan(3);
    const largest = Math.max(...plain.map(Math.abs));
    for (const logits of found) {
      const error = Math.max(...logits.map((value, i) => Math.abs(value - plain[i]!)));
      expect(error / largest).toBeLessThan(1e-5);
    }
    expect(errors).toEqual([]);
  });

  test('in 8 bits, three threads give to the bit what one gives', async () => {
    const results = [];
    for (const cores of [1, 6]) {
      const { page, errors } = await openWith(cores);
      const url = '/examples/digits/deit_digits_distilled.pth';
      results.push(await page.evaluate(quantized, { url, times: 5 }));
      expect(errors).toEqual([]);
    }
    const [one, three] = results;
    expect(one!.description).not.toContain('threads');
    expect(three!.description).toContain('3 threads');
    expect(one!.found[0]!.every(Number.isFinite)).toBe(true);
    for (const logits of [...one!.found, ...three!.found]) expect(logits).toEqual(one!.found[0]);
  });
});
