/** Each backend in Chromium against PyTorch, the choice between them, memory, and a GPU that goes away. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage, type WatchedPage } from './page.js';
import { startServer, type TestServer } from './server.js';

interface Reference {
  imgSize: [number, number];
  logits: number[];
  features: number[];
}
const reference = JSON.parse(readFileSync('test/fixtures/models/models.json', 'utf8')) as Record<
  string,
  Reference
>;
const FILES = ['facebook.pth', 'facebook_deit3.pth', 'timm_distilled.safetensors', 'facebook_wide.pth'];

function largestError(found: readonly number[], expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value))) / scale;
}

/** Logits, and the first number of each token, of the input of make_models.py. */
function runModel(page: Page, file: string, imgSize: [number, number], backend: string) {
  return page.evaluate(
    async ({ file, imgSize, backend }) => {
      const { deit } = globalThis;
      const { tf } = deit;
      const bytes = await (await fetch(`/fixtures/models/${file}`)).arrayBuffer();
      const model = await deit.load(bytes, { backend, convert: { numHeads: 2, imgSize } });
      const [height, width] = imgSize;
      const values = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * 0.37));
      const x = tf.tensor4d(values, [1, height, width, 3]);
      const logits = model.predict(x);
      const { tokens, attention } = model.features(x, { attention: true });
      const dim = tokens.shape[2];
      const all = [...(await tokens.data())];
      const result = {
        backend: model.backend,
        logits: [...(await logits.data())],
        features: all.filter((_, i) => i % dim === 0),
      };
      tf.dispose([x, logits, tokens, attention]);
      model.dispose();
      return { ...result, tensors: tf.memory().numTensors };
    },
    { file, imgSize, backend },
  );
}

describeInBrowser('backends', () => {
  let browser: Browser;
  let server: TestServer;
  let watched: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    server = await startServer();
    browser = await launchChromium();
    watched = await openPage(browser, server);
    page = watched.page;
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test.each(['wasm', 'webgl', 'webgpu'])('%s: logits and tokens are PyTorch’s to 1e-5', async (backend) => {
    for (const file of FILES) {
      const { imgSize, logits, features } = reference[file]!;
      const found = await runModel(page, file, imgSize, backend);
      expect(found.backend).toBe(backend);
      expect(largestError(found.logits, logits)).toBeLessThan(1e-5);
      expect(largestError(found.features, features)).toBeLessThan(1e-5);
      expect(found.tensors).toBe(0);
    }
    expect(watched.errors).toEqual([]);
  });

  test('models on three backends side by side give what each gives alone, to the last bit', async () => {
    const result = await page.evaluate(async () => {
      const { deit } = globalThis;
      const { tf } = deit;
      const bytes = await (await fetch('/fixtures/models/facebook.pth')).arrayBuffer();
      const names = ['wasm', 'webgl', 'webgpu'];
      const options = (backend: string) => ({ backend, convert: { numHeads: 2 } });
      // At the same time: each load's weights go to its own backend.
      const models = await Promise.all(names.map((backend) => deit.load(bytes, options(backend))));
      const [height, width] = models[0]!.config.imgSize;
      const values = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * 0.37));
      const pixels = {
        data: new Uint8Array(30 * 20 * 3).map((_, i) => (i * 37) % 256),
        width: 30,
        height: 20,
      };
      const outputs = async (model: (typeof models)[number]) => {
        const x = tf.tensor4d(values, [1, height, width, 3]);
        const { tokens } = model.features(x);
        const logits = model.predict(x);
        const all = [...(await logits.data()), ...(await tokens.data()), ...(await model.logits(pixels))];
        tf.dispose([x, tokens, logits]);
        return JSON.stringify(all);
      };
      const alone: string[] = [];
      for (const [i, model] of models.entries()) {
        await tf.setBackend(names[i]!);
        alone.push(await outputs(model));
      }
      const other: string[] = [];
      for (const current of names) {
        await tf.setBackend(current);
        const found = await Promise.all([...models, ...models].map(outputs));
        other.push(...found.filter((values, i) => values !== alone[i % models.length]));
      }
      const backends = models.map((model) => model.backend);
      for (const model of models) model.dispose();
      await tf.setBackend('wasm');
      return {
        backends,
        different: new Set(alone).size,
        other: other.length,
        tensors: tf.memory().numTensors,
      };
    });
    expect(result).toEqual({
      backends: ['wasm', 'webgl', 'webgpu'],
      different: 3,
      other: 0,
      tensors: 0,
    });
  });

  test('float16 where the GPU has it: the software adapter has not, which is said', async () => {
    const messages = await page.evaluate(async () => {
      const { deit } = globalThis;
      const bytes = await (await fetch('/fixtures/models/facebook.pth')).arrayBuffer();
      const failure = (backend: string) =>
        deit
          .load(bytes, { backend, dtype: 'float16', convert: { numHeads: 2 } })
          .then(String, (error: Error) => error.message);
      return [await failure('webgpu'), await failure('webgl')];
    });
    expect(messages[0]).toMatch(/^.*swiftshader.* has no float16 \(shader-f16\)/i);
    expect(messages[1]).toBe('webgl computes in float32, not in float16');
  });

  test('auto passes over GPUs that are software, and says so', async () => {
    const choice = await page.evaluate(() => globalThis.deit.useBackend());
    expect(choice.backend).toBe('wasm');
    expect(choice.description).toMatch(/own kernels/);
    expect(choice.passedOver).toEqual([
      expect.stringMatching(/^webgpu: only software rendering here \(.*\), which is slower than WASM$/),
      expect.stringMatching(/^webgl: only software rendering here \(.*SwiftShader.*\), which is slower/),
    ]);
  });

  test.each(['wasm', 'webgl', 'webgpu'])('%s: memory does not grow over 50 images', async (backend) => {
    const { early, late } = await page.evaluate(async (backend) => {
      const { deit } = globalThis;
      const url = '/fixtures/models/timm_distilled.safetensors';
      const model = await deit.load(url, { backend, cache: false, convert: { numHeads: 2 } });
      const image = await (await fetch('/fixtures/images/rgb.png')).blob();
      const memory = () => {
        const { numTensors, numDataBuffers, numBytes } = deit.tf.memory();
        const { numBytesInGPUAllocated = 0, numBytesAllocatedInGPU = 0 } =
          deit.tf.memory() as unknown as Record<string, number>;
        return { numTensors, numDataBuffers, numBytes, gpu: numBytesInGPUAllocated + numBytesAllocatedInGPU };
      };
      for (let i = 0; i < 5; i++) await model.classify(image);
      const early = memory();
      for (let i = 5; i < 50; i++) await model.classify(image);
      const late = memory();
      model.dispose();
      return { early, late };
    }, backend);
    // On WASM the engine holds the weights: there is no tensor until somebody asks for layers.
    expect(early.numTensors > 0).toBe(backend !== 'wasm');
    expect(late).toEqual(early);
  });

  test('a lost WebGL context is an error at once, and a new load brings WebGL back', async () => {
    const { imgSize, logits } = reference['facebook.pth']!;
    const lost = await page.evaluate(async () => {
      const { deit } = globalThis;
      const { tf } = deit;
      const options = { backend: 'webgl', cache: false, convert: { numHeads: 2 } };
      const model = await deit.load('/fixtures/models/facebook.pth', options);
      const image = { data: new Uint8Array(3 * 24 * 24), width: 24, height: 24 };
      await model.classify(image);
      const { gl } = (tf.findBackend('webgl') as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
      const told = () => model.classify(image).catch(({ name, message }: Error) => `${name}: ${message}`);
      const start = performance.now();
      const waiting = told();
      gl.getExtension('WEBGL_lose_context')!.loseContext();
      const results = [await waiting, await told()];
      const seconds = (performance.now() - start) / 1000;
      model.dispose();
      return { results, seconds };
    });
    for (const message of lost.results)
      expect(message).toBe(
        'UserError: the webgl backend lost its GPU (its WebGL context was lost), and the model’s weights with it; load the model again',
      );
    expect(lost.seconds).toBeLessThan(10);
    const found = await runModel(page, 'facebook.pth', imgSize, 'webgl');
    expect(found.backend).toBe('webgl');
    expect(largestError(found.logits, logits)).toBeLessThan(1e-5);
  });

  test('without a GPU, or without the WASM files, what is missing is said', async () => {
    const bare = await startServer({
      routes: { '/lib/tfjs-backend-wasm-simd.wasm': (_, response) => response.writeHead(404).end() },
    });
    const context = await browser.newContext();
    try {
      await context.addInitScript(() => {
        Object.defineProperty(navigator, 'gpu', { value: undefined });
        OffscreenCanvas.prototype.getContext = () => null;
      });
      const other = await context.newPage();
      await other.goto(server.url);
      await other.waitForFunction(() => 'deit' in globalThis);
      const { backend, passedOver } = await other.evaluate(() => globalThis.deit.useBackend());
      expect(backend).toBe('wasm');
      expect(passedOver).toEqual([
        'webgpu: this browser has no WebGPU, or the page is not served over https',
        'webgl: this browser has no WebGL 2, or the GPU is blocked',
      ]);
      await other.goto(bare.url);
      await other.waitForFunction(() => 'deit' in globalThis);
      const message = await other.evaluate(() =>
        globalThis.deit.useBackend().catch((error: Error) => `${error.name}: ${error.message}`),
      );
      expect(message).toMatch(
        /; wasm: http:\S+tfjs-backend-wasm-simd\.wasm: the server answered 404 Not Found; the \.wasm files lie in .* option assetFolder, or import deit-tfjs\/inline$/,
      );
    } finally {
      await context.close();
      await bare.close();
    }
  });

  test('an unknown backend is an error that lists those that are there', async () => {
    const message = await page.evaluate(() =>
      globalThis.deit.useBackend('cuda').catch((error: Error) => `${error.name}: ${error.message}`),
    );
    expect(message).toBe('UserError: no backend is named "cuda"; there are auto, wasm, webgl, webgpu');
  });
});
