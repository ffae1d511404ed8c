/**
 * Pages that may do less than others: a Content-Security-Policy, a library from another origin, a sandboxed frame, a
 * cache that fails, threads that do not start. Each loads and classifies, or says in one line what to do.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { CHECKPOINT, convertedDigits, sends } from './servedModel.js';
import { type Route, type ServerOptions, startServer, type TestServer } from './server.js';

const MODEL = '/examples/digits/deit_digits_distilled.pth';
const IMAGE = '/examples/digits/val/3/00018.png';
const CORS = { 'Access-Control-Allow-Origin': '*' };
/** What a page of one of these tests runs: a script of its own, since a policy may forbid those in the page. */
const MAIN = (library: string) => `
import * as deit from '${library}';
window.deit = deit;
window.tell = (error) => error.name + ': ' + error.message;
window.run = async (how, url, options = {}) => {
  try {
    const start = performance.now();
    const image = await (await fetch('${IMAGE}')).blob();
    let backend;
    const model = await deit[how](url, { backend: 'wasm', onBackend: (choice) => { backend = choice; }, ...options });
    const [{ index }] = await model.classify(image, { topK: 1 });
    model.dispose();
    return { index, description: backend.description, seconds: (performance.now() - start) / 1000 };
  } catch (error) {
    return { error: window.tell(error) };
  }
};
console.info('ready');`;
const HTML = Buffer.from(
  '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>',
);

interface Found {
  index?: number;
  description?: string;
  seconds?: number;
  error?: string;
}

describeInBrowser('restricted pages', () => {
  let browser: Browser;
  const servers: TestServer[] = [];

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await Promise.all(servers.map((server) => server.close()));
  });

  async function serve(options: ServerOptions & { policy?: string; library?: string } = {}) {
    const { policy, library = '/lib/deit-tfjs.js', routes, headers, ...rest } = options;
    const server = await startServer({
      ...rest,
      headers: { ...headers, ...(policy && { 'Content-Security-Policy': policy }) },
      routes: {
        '/page': sends(HTML, undefined, 'text/html'),
        '/main.js': sends(Buffer.from(MAIN(library)), undefined, 'text/javascript'),
        ...routes,
      },
    });
    servers.push(server);
    return server;
  }

  async function open(server: TestServer, before?: () => void): Promise<Page> {
    const page = await browser.newPage();
    if (before) await page.addInitScript(before);
    const ready = libraryReady(page);
    await page.goto(`${server.url}/page`);
    await ready;
    return page;
  }

  /** Resolves when a page, or a frame in it, has loaded the library. Waiting by a script would need a policy's leave. */
  const libraryReady = (page: Page) =>
    page.waitForEvent('console', { predicate: (message) => message.text() === 'ready', timeout: 60_000 });

  /** Loads and classifies in a page. */
  const runIn = (page: Page, how: 'load' | 'loadInWorker', url = MODEL, options: object = {}) =>
    page.evaluate(
      ({ how, url, options }) => {
        const { run } = globalThis as unknown as { run(...args: unknown[]): Promise<Found> };
        return run(how, url, options);
      },
      { how, url, options },
    );

  const BOTH = ['load', 'loadInWorker'] as const;

  test.each(BOTH)('%s in an isolated page whose policy forbids blob workers: one thread', async (how) => {
    const server = await serve({ isolated: true, policy: "script-src 'self' 'wasm-unsafe-eval'" });
    const found = await runIn(await open(server), how);
    expect(found).toMatchObject({ index: 3 });
    expect(found.seconds).toBeLessThan(30);
    expect(found.description).toMatch(
      /; one thread, as the page's Content-Security-Policy forbids workers of a blob \(add blob: to its worker-src\)$/,
    );
  });

  test.each([
    "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:",
    "script-src 'self' blob: 'wasm-unsafe-eval'",
  ])('an isolated page under %s: threads', async (policy) => {
    const page = await open(await serve({ isolated: true, policy }));
    const found = await runIn(page, 'load');
    expect(found).toMatchObject({
      index: 3,
      description: expect.stringMatching(/^wasm: own engine, [^;]*$/),
    });
    expect(found.seconds).toBeLessThan(30);
    expect(await runIn(page, 'loadInWorker')).toMatchObject({ index: 3 });
  });

  test.each([
    'deit-tfjs',
    'wasm',
  ])('a service worker may not import the parts of %s: it is said', async (entry) => {
    const script = `import { load } from '/lib/${entry}.js';
      addEventListener('activate', (event) => event.waitUntil(clients.claim()));
      addEventListener('message', ({ source, data }) =>
        load(data).then(() => source.postMessage('loaded'), (error) => source.postMessage(String(error))));`;
    const routes = { '/service.js': sends(Buffer.from(script), undefined, 'text/javascript') };
    const page = await open(await serve({ routes }));
    const told = await page.evaluate(async (model) => {
      const { serviceWorker } = navigator;
      await serviceWorker.register('/service.js', { type: 'module' });
      const { active } = await serviceWorker.ready;
      const answer = new Promise((resolve) => {
        serviceWorker.onmessage = ({ data }) => resolve(data);
      });
      active!.postMessage(model);
      return answer;
    }, MODEL);
    expect(told).toMatch(
      /^UserError: a service worker may not import\(\) .*: bundle deit-tfjs\/wasm into its one script/,
    );
  });

  test('where a part of the library does not come, a worker too says which', async () => {
    const parts = readdirSync('dist/browser').filter((name) => /simd\w*\.js$/i.test(name));
    const missing: Route = (_, response) => response.writeHead(404).end();
    const routes = Object.fromEntries(parts.map((name) => [`/lib/${name}`, missing]));
    const page = await open(await serve({ routes }));
    const told = await Promise.all(BOTH.map((how) => runIn(page, how)));
    for (const { error } of told) expect(error).toMatch(/fetch dynamically imported module: .*simd/i);
  });

  test('without wasm-unsafe-eval WebGL works all the same', async () => {
    const server = await serve({ policy: "script-src 'self'" });
    expect(await runIn(await open(server), 'load', MODEL, { backend: 'webgl' })).toMatchObject({ index: 3 });
  });

  test.each(BOTH)('%s without wasm-unsafe-eval: the policy is blamed', async (how) => {
    const server = await serve({ policy: "script-src 'self'" });
    expect(await runIn(await open(server), how)).toEqual({
      error:
        "UserError: the page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src",
    });
  });

  test('a policy that forbids to fetch the model is named, with the origin to add', async () => {
    const other = await serve({ headers: CORS });
    const page = await open(await serve({ policy: "connect-src 'self'" }));
    const { error } = await runIn(page, 'load', `${other.url}${MODEL}`);
    expect(error).toBe(
      `UserError: ${other.url}${MODEL}: the page's Content-Security-Policy forbids to fetch it; add ${other.url} to its connect-src`,
    );
  });

  test('a model of another origin without CORS: the headers are named', async () => {
    const other = await serve();
    const { error } = await runIn(await open(await serve()), 'load', `${other.url}${MODEL}`);
    expect(error).toMatch(/: cannot be fetched \(Failed to fetch\); .*CORS headers let this page read it$/);
  });

  test.each(BOTH)('%s with the library of another origin', async (how) => {
    const cdn = await serve({ headers: CORS });
    const page = await open(await serve({ library: `${cdn.url}/lib/deit-tfjs.js` }));
    expect(await runIn(page, how)).toMatchObject({ index: 3 });
  });

  test('the library of another origin, where the policy forbids its blob worker: what to add', async () => {
    const cdn = await serve({ headers: CORS });
    const policy = `script-src 'self' ${cdn.url} 'wasm-unsafe-eval'`;
    const page = await open(await serve({ policy, library: `${cdn.url}/lib/deit-tfjs.js` }));
    expect(await runIn(page, 'load')).toMatchObject({ index: 3 });
    expect(await runIn(page, 'loadInWorker')).toEqual({
      error:
        "UserError: the worker does not start: the page's Content-Security-Policy forbids workers of a blob; add blob: to its worker-src",
    });
  });

  test.each(BOTH)('%s in a sandboxed frame', async (how) => {
    const server = await serve({ headers: CORS });
    const page = await browser.newPage();
    await page.goto(server.url);
    const ready = libraryReady(page);
    await page.evaluate((base) => {
      const frame = document.createElement('iframe');
      frame.setAttribute('sandbox', 'allow-scripts');
      frame.src = `${base}/page`;
      document.body.append(frame);
    }, server.url);
    await ready;
    const frame = page.frames().at(-1)!;
    const found = await frame.evaluate(
      ([how, url]) => (globalThis as unknown as { run(...args: unknown[]): Promise<Found> }).run(how, url),
      [how, MODEL],
    );
    expect(found).toMatchObject({ index: 3 });
    const cleared = await frame.evaluate(() => globalThis.deit.clearCache().then(() => 'done'));
    expect(cleared).toBe('done');
  });

  test('a cache whose every call fails is done without', async () => {
    const page = await open(await serve(), () => {
      const fail = () => Promise.reject(new DOMException('the disk is broken', 'UnknownError'));
      for (const name of ['match', 'put', 'delete', 'keys'] as const) Cache.prototype[name] = fail;
    });
    expect(await runIn(page, 'load')).toMatchObject({ index: 3 });
  });

  test('threads that start and never answer: the build without them, within seconds', async () => {
    const page = await open(await serve({ isolated: true }), () => {
      const { Worker: RealWorker } = globalThis;
      let count = 0;
      // The first two are the library's question whether workers start at all; tfjs' own follow.
      globalThis.Worker = new Proxy(RealWorker, {
        construct: (target, [url, options]) =>
          new target(count++ < 2 ? url : 'data:text/javascript,onmessage=()=>{}', options),
      });
      // Waits of 1 to 30 s, the one for threads among them, are over in a second.
      const { setTimeout } = globalThis;
      globalThis.setTimeout = ((run: () => void, milliseconds = 0) =>
        setTimeout(
          run,
          milliseconds > 30_000 ? milliseconds : Math.min(milliseconds, 1000),
        )) as typeof setTimeout;
    });
    const found = await runIn(page, 'load');
    expect(found).toMatchObject({ index: 3 });
    expect(found.seconds).toBeLessThan(30);
    expect(found.description).toMatch(
      /^wasm: own engine, \d+-bit SIMD; one thread, as workers do not start here$/,
    );
  });

  test('an isolated page that gets no shared memory runs one thread; one that gets none at all is told', async () => {
    const isolated = await serve({ isolated: true });
    const noShared = await open(isolated, () => {
      const { Memory } = WebAssembly;
      WebAssembly.Memory = new Proxy(Memory, {
        construct: (target, [descriptor]) => {
          if (descriptor.shared) throw new RangeError('could not allocate memory');
          return new target(descriptor);
        },
      });
    });
    const found = await runIn(noShared, 'load');
    expect(found).toMatchObject({ index: 3 });
    expect(found.description).toMatch(
      /; one thread, as the browser gives no shared memory \(could not allocate memory\)$/,
    );
    const none = await open(isolated, () => {
      WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
        construct: () => {
          throw new RangeError('could not allocate memory');
        },
      });
      const refuse = () => Promise.reject(new RangeError('could not allocate memory'));
      Object.assign(WebAssembly, { instantiate: refuse });
    });
    expect((await runIn(none, 'load')).error).toMatch(
      /^UserError: the WASM backend does not start here: could not allocate memory; the browser gives the page no more memory/,
    );
  });

  test('WASM files that a server sends with another type, as a page, or damaged', async () => {
    const wasm = readFileSync('dist/browser/tfjs-backend-wasm-simd.wasm');
    const file = 'tfjs-backend-wasm-simd.wasm';
    const page = await open(
      await serve({
        routes: {
          [`/typed/${file}`]: sends(wasm, undefined, 'text/plain'),
          [`/page-for-all/${file}`]: sends(HTML, undefined, 'text/html'),
          [`/text/${file}`]: sends(Buffer.from('not found'), undefined, 'text/plain'),
          [`/damaged/${file}`]: sends(wasm.subarray(0, 5000)),
        },
      }),
    );
    const REMEDY = /; the \.wasm files lie in .*assetFolder, or import deit-tfjs\/inline$/;
    const from = (assetFolder: string) => runIn(page, 'load', MODEL, { assetFolder });
    for (const [folder, message] of [
      ['/page-for-all', /simd\.wasm: the server answered with a web page/],
      ['/text', /simd\.wasm: is not a WASM binary/],
      ['/nothing', /simd\.wasm: the server answered 404 Not Found/],
    ] as const) {
      const { error } = await from(folder);
      expect(error).toMatch(message);
      expect(error).toMatch(REMEDY);
    }
    expect((await from('/damaged')).error).toMatch(
      /simd\.wasm: is damaged, or not of TensorFlow\.js 4\.22\.0/,
    );
    expect(await from('/typed')).toMatchObject({ index: 3 });
  });

  test('a worker’s script that is not there, or is sent as something else', async () => {
    const script = readFileSync('dist/browser/worker.js');
    const server = await serve({
      routes: { '/plain/worker.js': sends(script, undefined, 'text/plain') },
    });
    const page = await open(server);
    const from = (assetFolder: string) => runIn(page, 'loadInWorker', MODEL, { assetFolder });
    expect((await from('/nothing')).error).toBe(
      `UserError: the worker does not start: ${server.url}/nothing/worker.js: the server answered 404; serve a copy of deit-tfjs/dist/browser and name its address as the option assetFolder, or import deit-tfjs/inline`,
    );
    expect((await from('/plain')).error).toMatch(
      /worker\.js: the server sends it as "text\/plain", not as JavaScript/,
    );
    expect(await from('/lib')).toMatchObject({ index: 3 });
  });

  test.each(BOTH)('%s of addresses that do not tell what they name', async (how) => {
    const checkpoint = readFileSync(CHECKPOINT);
    const folder = await convertedDigits();
    const signed =
      (bytes: Buffer): Route =>
      (request, response) =>
        request.url!.endsWith('?token=1') ? sends(bytes)(request, response) : response.writeHead(403).end();
    const server = await serve({
      routes: {
        '/model_best.pth.tar': sends(checkpoint),
        '/download': sends(checkpoint),
        '/files/17': sends(checkpoint),
        ...Object.fromEntries([...folder].map(([name, bytes]) => [`/signed/${name}`, signed(bytes)])),
        '/part.pth': (_, response) => response.writeHead(206).end(checkpoint.subarray(0, 1000)),
        '/notes': sends(Buffer.from('{"hello": "world"}')),
      },
    });
    const page = await open(server);
    const addresses = await page.evaluate(async (url) => {
      const blob = await (await fetch(url)).blob();
      const data = await new Promise<string>((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(String(reader.result));
        reader.readAsDataURL(blob);
      });
      return [URL.createObjectURL(blob), data];
    }, MODEL);
    const urls = [...addresses, '/model_best.pth.tar', '/download?id=5', '/files/17', '/signed?token=1'];
    for (const url of urls) expect(await runIn(page, how, url, { cache: false })).toMatchObject({ index: 3 });
    const told = async (url: string) => (await runIn(page, how, url)).error;
    expect(await told('/notes')).toMatch(/\/notes\/model\.json: the server answered 404 Not Found$/);
    expect(await told('/part.pth')).toMatch(/a part of the file \(206\), which was not requested/);
    expect(await told('data:application/octet-stream;base64,AAAA')).toMatch(/^UserError: the data: URL: /);
  });
});
