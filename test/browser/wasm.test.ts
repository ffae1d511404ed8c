/** deit-tfjs/wasm: models on the engine alone, and what a page loads for them. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type * as Wasm from '../../src/browser/wasm.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { watchErrors } from './page.js';
import { convertedDigits, sends } from './servedModel.js';
import { startServer, type TestServer } from './server.js';

declare global {
  var deitWasm: typeof Wasm;
}

const CHECKPOINT = '/examples/digits/deit_digits_distilled.pth';
const IMAGE = '/examples/digits/val/3/00018.png';
const reference = JSON.parse(readFileSync('examples/digits/reference.json', 'utf8')).perImage as {
  file: string;
  top5: number[];
  logits: number[];
}[];

describe('the bundle', () => {
  /** A file of dist/browser and those that it imports at once. */
  function filesOf(file: string, found = new Set<string>()): Set<string> {
    if (found.has(file)) return found;
    found.add(file);
    const text = readFileSync(`dist/browser/${file}`, 'utf8');
    for (const [, name] of text.matchAll(/(?:^|[;}])import(?:[\w$*{][^'"`]*from)?["'`]\.\/([\w.-]+)["'`]/g)) {
      filesOf(name!, found);
    }
    return found;
  }
  const gzipped = (entry: string) =>
    [...filesOf(entry)].reduce((sum, file) => sum + gzipSync(readFileSync(`dist/browser/${file}`)).length, 0);

  test('the entry `wasm` is under 80 kB gzipped, and loads nothing of tfjs', () => {
    expect([...filesOf('wasm.js')].sort()).toEqual(['engine.js', 'wasm.js']);
    expect(gzipped('wasm.js')).toBeLessThan(80_000);
    expect(gzipped('deit-tfjs.js')).toBeGreaterThan(3 * gzipped('wasm.js'));
    for (const file of filesOf('wasm.js')) {
      expect(readFileSync(`dist/browser/${file}`, 'utf8')).not.toMatch(/registerKernel|Sequential/);
    }
  });
});

describeInBrowser('deit-tfjs/wasm', () => {
  let browser: Browser;
  let server: TestServer;

  beforeAll(async () => {
    const files = await convertedDigits();
    const html = `<!doctype html><link rel="icon" href="data:,"><script type="module">
      window.deitWasm = await import('/lib/wasm.js');
    </script>`;
    server = await startServer({
      routes: {
        '/wasm': sends(Buffer.from(html), undefined, 'text/html'),
        ...Object.fromEntries([...files].map(([name, bytes]) => [`/model/${name}`, sends(bytes)])),
      },
    });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  async function open(): Promise<{ page: Page; errors: string[] }> {
    const page = await browser.newPage();
    const errors = watchErrors(page);
    await page.goto(`${server.url}/wasm`);
    await page.waitForFunction(() => 'deitWasm' in globalThis);
    return { page, errors };
  }

  test.each(['/model', CHECKPOINT])('%s: top-5 and logits are PyTorch’s, without core.js', async (source) => {
    const { page, errors } = await open();
    server.requests.length = 0;
    const images = reference.filter((_, i) => i % 50 === 0);
    const { found, model } = await page.evaluate(
      async ([source, files]) => {
        let description = '';
        const loaded = await globalThis.deitWasm.load(source, {
          cache: false,
          onBackend: (choice) => {
            description = choice.description;
          },
        });
        const results = await loaded.classify(
          files.map((file) => `/examples/digits/val/${file}`),
          { topK: 5 },
        );
        const { labels, backend, config } = loaded;
        const one = await loaded.logits(`/examples/digits/val/${files[0]}`);
        const { classToken, patchMean } = await loaded.embed(`/examples/digits/val/${files[0]}`);
        const { inspect, rollout } = globalThis.deitWasm;
        const seen = await inspect(loaded, `/examples/digits/val/${files[0]}`);
        const sameLogits = seen.logits.every((value, i) => value === one[i]);
        const map = rollout(seen.attention);
        loaded.dispose();
        const gone = await loaded
          .classify('/x.png')
          .catch((error: Error) => `${error.name}: ${error.message}`);
        const sizes = [
          one.length,
          classToken!.length,
          patchMean.length,
          map.data.length,
          seen.patches.length,
        ];
        return {
          found: results,
          model: { labels, backend, name: config.name, description, sizes, sameLogits, gone },
        };
      },
      [source, images.map(({ file }) => file)] as const,
    );
    for (const [i, { top5, logits }] of images.entries()) {
      expect(found[i]!.map(({ index }) => index)).toEqual(top5);
      const scale = Math.abs(logits[0]!);
      for (const [k, logit] of logits.entries()) {
        expect(Math.abs(found[i]![k]!.logit - logit) / scale).toBeLessThan(1e-5);
      }
    }
    expect(model).toMatchObject({
      backend: 'wasm',
      description: expect.stringMatching(/^wasm: own engine, 128-bit SIMD; one thread, as the page/),
      sizes: [10, 64, 64, 16, 16 * 64],
      sameLogits: true,
      gone: expect.stringMatching(/^UserError: .*the model was disposed of; load it again$/),
    });
    const scripts = server.requests.filter((path) => /^\/lib\//.test(path));
    expect(scripts.filter((path) => /core|webgl|webgpu|\.wasm$|deit-tfjs/.test(path))).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('int8, and a signal that ends a load', async () => {
    const { page } = await open();
    const found = await page.evaluate(
      async ([url, image]) => {
        const { load } = globalThis.deitWasm;
        const model = await load(url, { quantize: 'int8' });
        const { index } = (await model.classify(image, { topK: 1 }))[0]!;
        model.dispose();
        const abort = new AbortController();
        const onProgress = () => abort.abort();
        const name = await load(url, { signal: abort.signal, onProgress }).catch(
          (error: Error) => error.name,
        );
        return { index, name };
      },
      [CHECKPOINT, IMAGE] as const,
    );
    expect(found).toEqual({ index: 3, name: 'AbortError' });
  });

  test('what it has not is refused in one line', async () => {
    const { page } = await open();
    const told = (options: object) =>
      page.evaluate(
        ([url, options]) =>
          globalThis.deitWasm.load(url, options).then(
            () => 'loaded',
            ({ name, message }: Error) => `${name}: ${message}`,
          ),
        [CHECKPOINT, options] as const,
      );
    expect(await told({ backend: 'webgl' })).toBe(
      'UserError: deit-tfjs/wasm has the backend wasm alone, not webgl; import deit-tfjs for the others',
    );
    expect(await told({ quantize: 'int4' })).toBe('UserError: models are quantized to int8, not to "int4"');
    expect(await told({ backed: 'wasm' })).toMatch(/^UserError: load.*backed/);
    expect(await told({ threads: 0 })).toMatch(/^UserError: load: threads is a whole number/);
    expect(await told({ backend: 'auto' })).toBe('loaded');
  });

  test('withTensors gives the model of deit-tfjs, on the same engine', async () => {
    const { page, errors } = await open();
    const found = await page.evaluate(
      async ([url, image]) => {
        const model = await globalThis.deitWasm.load(url);
        const logits = [...(await model.logits(image))];
        const deit = (await import(
          `${location.origin}/lib/deit-tfjs.js` as string
        )) as typeof globalThis.deit;
        const full = await deit.withTensors(model as Parameters<typeof deit.withTensors>[0]);
        const before = deit.tf.memory().numTensors;
        const again = [...(await full.logits(image))];
        const x = deit.tf.zeros([1, 28, 28, 3]) as Parameters<typeof full.features>[0];
        const { tokens, attention } = full.features(x, { attention: true });
        const shapes = [tokens.shape, attention.length, full.predict(x).shape];
        full.dispose();
        const gone = await model.logits(image).catch((error: Error) => error.name);
        return { same: logits.every((value, i) => value === again[i]), before, shapes, gone };
      },
      [CHECKPOINT, IMAGE] as const,
    );
    expect(found).toEqual({ same: true, before: 0, shapes: [[1, 18, 64], 4, [1, 10]], gone: 'UserError' });
    expect(errors).toEqual([]);
  });
});
