/** The WASM engine in a page: on workers where it is isolated, on the page's own thread where it is not. */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { probeSimd } from '../../src/kernels/wasm/featureProbe.js';
import { load } from '../../src/node/index.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage, openPageWithCores } from './page.js';
import { startServer, type TestServer } from './server.js';

const CHECKPOINT = 'examples/digits/deit_digits_distilled.pth';
const SIZE = 28 * 28 * 3;
const COUNT = 20;
const pixel = (i: number) => Math.fround(Math.sin(i * 1.7));

/** Runs in the page: what the engine gives for some images, at once and one by one. */
async function compute({
  url,
  size,
  count,
  quantize,
}: {
  url: string;
  size: number;
  count: number;
  quantize?: 'int8';
}) {
  const { deit } = globalThis;
  let description = '';
  const model = await deit.load(await (await fetch(url)).arrayBuffer(), {
    backend: 'wasm',
    ...(quantize && { quantize }),
    onBackend: (choice) => {
      description = choice.description;
    },
  });
  const images = Float32Array.from({ length: count * size }, (_, i) => Math.sin(i * 1.7));
  const logits = await model.predictPixels(images, count);
  const single = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      model.predictPixels(images.subarray(i * size, (i + 1) * size), 1),
    ),
  );
  const embeddings = await model.embedPixels(images.subarray(0, 2 * size), 2);
  const tensors = deit.tf.memory().numTensors;
  const x = deit.tf.tensor4d(images.slice(0, size), [1, 28, 28, 3]);
  const predicted = model.predict(x);
  const found = [...predicted.dataSync()];
  const result = { description, tensors, predicted: found };
  deit.tf.dispose([x, predicted]);
  model.dispose();
  return {
    ...result,
    logits: [...logits],
    single: single.map((row) => [...row]),
    embeddings: [...embeddings],
  };
}

describeInBrowser('the WASM engine in a page', () => {
  let browser: Browser;
  const servers: TestServer[] = [];

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await Promise.all(servers.map((server) => server.close()));
  });

  /** A page that believes to have so many cores. */
  async function open(isolated: boolean, cores: number): Promise<{ page: Page; errors: string[] }> {
    const server = await startServer({ isolated });
    servers.push(server);
    return openPageWithCores(browser, server, cores);
  }

  test.each([
    undefined,
    'int8',
  ] as const)('%s: the same bits with threads, with one and with none, and in Node', async (quantize) => {
    const found = [];
    for (const [isolated, cores] of [
      [true, 6],
      [true, 1],
      [false, 6],
    ] as const) {
      const { page, errors } = await open(isolated, cores);
      const url = `/${CHECKPOINT}`;
      found.push(
        await page.evaluate(compute, { url, size: SIZE, count: COUNT, ...(quantize && { quantize }) }),
      );
      expect(errors).toEqual([]);
      await page.close();
    }
    expect(found.map(({ description }) => description)).toEqual([
      'wasm: own engine, 128-bit SIMD, 3 threads',
      'wasm: own engine, 128-bit SIMD, 1 thread',
      'wasm: own engine, 128-bit SIMD; one thread, as the page is not cross-origin isolated',
    ]);
    for (const { logits, single, embeddings, predicted, tensors } of found) {
      expect(logits).toEqual(found[0]!.logits);
      expect(single.flat()).toEqual(logits);
      expect(embeddings).toEqual(found[0]!.embeddings);
      expect(predicted).toEqual(logits.slice(0, 10));
      expect(tensors).toBe(0); // weights are held once, by the engine
    }
    const model = await load(readFileSync(CHECKPOINT), { backend: 'wasm', ...(quantize && { quantize }) });
    const images = Float32Array.from({ length: COUNT * SIZE }, (_, i) => pixel(i));
    const wanted = [...(await model.predictPixels!(images, COUNT))];
    model.dispose();
    const { logits } = found[0]!;
    if (probeSimd() === 'relaxed') expect(logits).toEqual(wanted);
    const largest = Math.max(...wanted.map(Math.abs));
    const error = Math.max(...wanted.map((value, i) => Math.abs(value - logits[i]!)));
    expect(error / largest).toBeLessThan(quantize ? 2e-2 : 1e-5);
  });

  test.each([
    true,
    false,
  ])('isolated: %s: the page has its turns while a model computes', async (isolated) => {
    const { page } = await open(isolated, 2);
    const { alone, turns, ms } = await page.evaluate(async () => {
      const { deit } = globalThis;
      await deit.useBackend('wasm');
      const fresh = deit.createModel('deit_tiny_patch16_224', { depth: 6 });
      const chunks: BlobPart[] = [];
      for await (const chunk of await deit.exportStateDict(fresh)) chunks.push(chunk.slice());
      fresh.dispose();
      const model = await deit.load(new Blob(chunks), { backend: 'wasm' });
      const images = Float32Array.from({ length: 4 * 224 * 224 * 3 }, (_, i) => Math.sin(i));
      const alone = [...(await model.predictPixels(images, 4))];
      let turns = 0;
      let waiting = true;
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        turns += 1;
        if (waiting) port2.postMessage(0);
      };
      port2.postMessage(0);
      const start = performance.now();
      const found = await model.predictPixels(images, 4);
      waiting = false;
      const ms = performance.now() - start;
      port1.close();
      return { alone: alone.every((value, i) => value === found[i]), turns, ms };
    });
    expect(alone).toBe(true);
    // One turn in 40 ms would be a page that hangs; slices are of 8 ms.
    expect(turns).toBeGreaterThan(ms / 40);
  });

  const cpu = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const hasAvx2 = cpu.includes(' avx2');
  (hasAvx2 ? test : test.skip)('where V8 has its flag on, with 256 bits: the same logits', async () => {
    const { page: plain } = await open(true, 4);
    const wanted = await plain.evaluate(compute, { url: `/${CHECKPOINT}`, size: SIZE, count: COUNT });
    const other = await launchChromium(['--js-flags=--experimental-wasm-revectorize']);
    try {
      const told: string[] = [];
      // On a machine that is busy the check may find no gain; a page more is another check.
      for (let i = 0; i < 20 && !told.at(-1)?.includes('256-bit'); i++) {
        const { page } = await openPage(other, servers.at(-1)!);
        const found = await page.evaluate(compute, { url: `/${CHECKPOINT}`, size: SIZE, count: COUNT });
        told.push(found.description);
        expect({ ...found, description: '' }).toEqual({ ...wanted, description: '' });
        await page.close();
      }
      expect(told.at(-1)).toMatch(/^wasm: own engine, 256-bit SIMD, \d+ threads?$/);
    } finally {
      await other.close();
    }
  });

  test('a weight that is changed drops the engine: the layers answer', async () => {
    const { page } = await open(false, 2);
    const found = await page.evaluate(async (url) => {
      const { deit } = globalThis;
      const { tf } = deit;
      const model = await deit.load(await (await fetch(url)).arrayBuffer(), { backend: 'wasm' });
      const x = tf.ones([1, 28, 28, 3]);
      const logits = () => [...tf.tidy(() => model.predict(x).dataSync())];
      const before = logits();
      const layers = [
        ...tf.tidy(() => (model.layersModel.predict(x) as ReturnType<typeof model.predict>).dataSync()),
      ];
      const hadRuntime = model.hasRuntime;
      const weights = model.layersModel.getWeights().map((weight) => tf.zerosLike(weight));
      model.layersModel.setWeights(weights);
      return { before, layers, hadRuntime, after: logits(), hasRuntime: model.hasRuntime };
    }, `/${CHECKPOINT}`);
    const largest = Math.max(...found.before.map(Math.abs));
    expect(
      Math.max(...found.before.map((value, i) => Math.abs(value - found.layers[i]!))) / largest,
    ).toBeLessThan(1e-5);
    expect(found).toMatchObject({ hadRuntime: true, hasRuntime: false, after: Array(10).fill(0) });
  });

  test('threads that are asked for are used, and more than one has no use for are refused', async () => {
    const { page } = await open(true, 2);
    const told = (threads: number) =>
      page.evaluate(
        async ([url, threads]) => {
          let description = '';
          const onBackend = (choice: { description: string }) => {
            description = choice.description;
          };
          const options = { backend: 'wasm', threads, onBackend };
          try {
            (await globalThis.deit.load(await (await fetch(url)).arrayBuffer(), options)).dispose();
            return description;
          } catch (error) {
            return String(error);
          }
        },
        [`/${CHECKPOINT}`, threads] as const,
      );
    expect(await told(4)).toBe('wasm: own engine, 128-bit SIMD, 4 threads');
    expect(await told(100)).toMatch(/UserError: threads must be a whole number from 1 to 64, got 100/);
  });
});
