/** Loading over the network in a page: progress, cache, abort, and what a bad server does. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage } from './page.js';
import { CHECKPOINT, convertedDigits, sends, sendsHalf } from './servedModel.js';
import { type Route, startServer, type TestServer } from './server.js';

const SHARD = 'group1-shard1of1.bin';

describeInBrowser('load(url)', () => {
  let browser: Browser;
  let server: TestServer;
  let page: Page;
  let etag = '"1"';
  /** Requests by method and path, of files of models. */
  let asked: string[] = [];

  beforeAll(async () => {
    const files = await convertedDigits();
    const json = files.get('model.json')!;
    const shard = files.get(SHARD)!;
    const html = Buffer.from('<!doctype html><p>Not here');
    const noted =
      (route: Route): Route =>
      (request, response) => {
        asked.push(`${request.method} ${request.url}`);
        route(request, response);
      };
    const model = (name: string, modelJson: Route, weights: Route) => ({
      [`/${name}/model.json`]: noted(modelJson),
      [`/${name}/${SHARD}`]: noted(weights),
    });
    const good = sends(json);
    const tagged = (bytes: Buffer) => sends(bytes, () => etag);
    server = await startServer({
      routes: {
        ...model('good', good, sends(shard)),
        ...model('tagged', tagged(json), tagged(shard)),
        ...model('cut', good, sendsHalf(shard)),
        ...model('hanging', good, sendsHalf(shard, true)),
        ...model('html', sends(html, undefined, 'text/html; charset=utf-8'), sends(shard)),
        ...model('htmlShard', good, sends(html, undefined, 'text/html')),
        ...model('garbage', sends(Buffer.from('{"format":')), sends(shard)),
        ...model('short', good, sends(shard.subarray(0, shard.length - 400))),
        ...model('long', good, sends(Buffer.concat([shard, shard.subarray(0, 400)]))),
        ...model('other', sends(Buffer.from('{"format":"layers-model"}')), sends(shard)),
        '/deit_digits_distilled.pth': noted(sends(readFileSync(CHECKPOINT))),
      },
    });
    browser = await launchChromium();
    ({ page } = await openPage(browser, server));
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  beforeEach(() => {
    asked = [];
  });

  /** Loads and frees; resolves to the progress that was reported, or to the error's name and message. */
  const load = (url: string, cache: boolean | number = false) =>
    page.evaluate(
      async ({ url, cache }) => {
        const steps: { fraction: number; loadedBytes: number; totalBytes: number }[] = [];
        try {
          const onProgress = (fraction: number, bytes: { loadedBytes: number; totalBytes: number }) =>
            steps.push({ fraction, ...bytes });
          const model = await globalThis.deit.load(url, { backend: 'wasm', cache, onProgress });
          const { labels } = model;
          model.dispose();
          return { steps, labels, tensors: globalThis.deit.tf.memory().numTensors };
        } catch (error) {
          const { name, message } = error as Error;
          return { error: `${name}: ${message}`, tensors: globalThis.deit.tf.memory().numTensors };
        }
      },
      { url, cache },
    );

  test.each([
    '/good',
    '/good/',
    '/good/model.json',
    '/deit_digits_distilled.pth',
  ])('%s: progress by bytes, up to all of them', async (url) => {
    const { error, steps = [], tensors } = await load(url);
    expect(error).toBeUndefined();
    expect(tensors).toBe(0);
    const last = steps.at(-1)!;
    expect(last.fraction).toBe(1);
    expect(last.loadedBytes).toBe(last.totalBytes);
    expect(last.totalBytes).toBeGreaterThan(800_000);
    for (const [i, { fraction, loadedBytes, totalBytes }] of steps.entries()) {
      expect(fraction).toBeCloseTo(loadedBytes / totalBytes, 10);
      if (i > 0) expect(fraction).toBeGreaterThanOrEqual(steps[i - 1]!.fraction);
    }
  });

  test('what was kept is asked for by HEAD alone, and fetched again when its ETag changes', async () => {
    const all = (method: string) => ['model.json', SHARD].map((file) => `${method} /tagged/${file}`);
    expect((await load('/tagged', true)).error).toBeUndefined();
    expect(asked).toEqual(all('GET'));
    asked = [];
    expect((await load('/tagged', true)).steps!.at(-1)!.fraction).toBe(1);
    expect(asked).toEqual(all('HEAD'));
    asked = [];
    etag = '"2"';
    expect((await load('/tagged', true)).error).toBeUndefined();
    expect(asked.sort()).toEqual([...all('GET'), ...all('HEAD')].sort());
  });

  test('what was kept serves when the server cannot be reached', async () => {
    await load('/tagged', true);
    await page.context().setOffline(true);
    try {
      expect((await load('/tagged', true)).error).toBeUndefined();
      expect((await load('/good', true)).error).toMatch(/^UserError: \/good\/model.json: cannot be fetched/);
    } finally {
      await page.context().setOffline(false);
    }
  });

  test('a damaged kept file is found by its hash and fetched again', async () => {
    await load('/tagged', true);
    await page.evaluate(async (shard) => {
      const cache = await caches.open('deit-tfjs');
      const url = new URL(`/tagged/${shard}`, location.href);
      const bytes = new Uint8Array(await (await cache.match(url))!.arrayBuffer());
      bytes[1000]! ^= 1;
      await cache.put(url, new Response(bytes));
    }, SHARD);
    asked = [];
    expect((await load('/tagged', true)).error).toBeUndefined();
    expect(asked).toContain(`GET /tagged/${SHARD}`);
  });

  test('the cache stays below its bound: what was used longest ago goes', async () => {
    const kept = () =>
      page.evaluate(async () => {
        const cache = await caches.open('deit-tfjs');
        return (await cache.keys()).map(({ url }) => new URL(url).pathname);
      });
    await page.evaluate(() => globalThis.deit.clearCache());
    await load('/tagged', true);
    expect(await kept()).toEqual(expect.arrayContaining(['/tagged/model.json', `/tagged/${SHARD}`]));
    await load('/tagged', 100_000); // less than the shard, more than model.json
    expect(await kept()).toEqual(expect.arrayContaining(['/tagged/model.json']));
    expect(await kept()).not.toContain(`/tagged/${SHARD}`);
  });

  test('an abort ends the download with AbortError and frees what was made', async () => {
    const result = await page.evaluate(async () => {
      const abort = new AbortController();
      const onProgress = () => abort.abort();
      const options = { backend: 'wasm', cache: false, signal: abort.signal, onProgress };
      const name = await globalThis.deit.load('/hanging', options).catch((error: Error) => error.name);
      return { name, tensors: globalThis.deit.tf.memory().numTensors };
    });
    expect(result).toEqual({ name: 'AbortError', tensors: 0 });
  });

  test.each([
    ['/nothing', /^UserError: \/nothing\/model.json: the server answered 404 Not Found$/],
    ['/nothing.pth', /^UserError: \/nothing.pth: the server answered 404 Not Found$/],
    [
      '/cut',
      /^UserError: \/cut\/group1-shard1of1.bin: the download broke off after \d+ of \d+ bytes; try again$/,
    ],
    [
      '/html',
      /model.json: the server answered with a web page, not with a file of a model; check the address$/,
    ],
    [
      '/htmlShard',
      /bin: the server answered with a web page, not with a file of a model; check the address$/,
    ],
    ['/garbage', /^UserError: \/garbage: model.json is not JSON/],
    ['/short', /^UserError: \/short: the weight files are shorter than model.json says/],
    ['/long', /^UserError: \/long: the weight files are longer than model.json says/],
    ['/other', /^UserError: \/other: model.json has no userDefinedMetadata.deit/],
  ])('%s is a clear error, and nothing is left', async (url, message) => {
    const { error, tensors } = await load(url);
    expect(error).toMatch(message);
    expect(tensors).toBe(0);
  });
});
