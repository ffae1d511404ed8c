/** Models of the hub in a page: download, cache, resume, and what a sandboxed frame has not. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type * as Hub from '../../src/browser/hub/openHub.js';
import { PIECE_BYTES } from '../../src/browser/hub/pieces.js';
import {
  GOOD_TOKEN,
  type Handler,
  type HubServer,
  pattern,
  sendRange,
  sha256,
  startHub,
} from '../hub/hubServer.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { startServer, type TestServer } from './server.js';

declare global {
  /** The hub's part of the library, in the page. */
  var hub: typeof Hub;
}

const COMMIT = 'a'.repeat(40);
const CONFIG = '{"hidden_size":1}';
/** Two pieces and a half. */
const WEIGHTS = pattern(PIECE_BYTES * 2.5);

/** Run in a process of its own: jest's realm is not the one that Vite's native part knows. */
const BUNDLER = `
  import { build } from 'vite';
  const lib = { entry: 'dist/src/browser/hub/openHub.js', formats: ['es'] };
  const [{ output }] = await build({
    configFile: false, logLevel: 'silent', publicDir: false, build: { write: false, lib },
  });
  process.stdout.write(output[0].code);
`;

/** src/browser/hub/openHub as one module, as a bundler makes it of the package. */
async function bundle(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', BUNDLER]);
  return stdout;
}

describeInBrowser('openHub in a page', () => {
  let browser: Browser;
  let server: TestServer;
  let hub: HubServer;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    const code = await bundle();
    hub = await startHub({});
    server = await startServer({
      routes: {
        '/hub.js': (_, response) => {
          response.setHeader('content-type', 'text/javascript');
          response.setHeader('access-control-allow-origin', '*'); // for the sandboxed frame
          response.end(code);
        },
        '/hub.html': (_, response) => {
          response.setHeader('content-type', 'text/html');
          response.end(`<!doctype html><link rel="icon" href="data:,"><script type="module">
            window.hub = await import('/hub.js');</script>`);
        },
      },
    });
    browser = await launchChromium();
    context = await browser.newContext();
    page = await context.newPage();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await hub?.close();
  });
  beforeEach(async () => {
    hub.repos['google/vit'] = {
      commit: COMMIT,
      files: {
        'config.json': { bytes: new TextEncoder().encode(CONFIG) },
        'model.safetensors': { bytes: WEIGHTS },
      },
    };
    await visit();
    await page.evaluate(() => globalThis.hub.clearHubCache());
    hub.seen.length = 0;
    hub.faults.length = 0;
    hub.cdnFaults.length = 0;
  });

  async function visit(): Promise<void> {
    await page.goto(`${server.url}/hub.html`);
    await page.waitForFunction(() => 'hub' in globalThis);
  }

  /** Opens the model and reads both files, in the page: hashes and lengths, or the error's message. */
  const load = (options: Hub.BrowserHubOptions = {}) =>
    page.evaluate(
      async (options) => {
        const notices: string[] = [];
        let loaded = 0;
        try {
          const folder = await globalThis.hub.openHub('hf:google/vit', {
            ...options,
            onNotice: (line) => notices.push(line),
            onProgress: ({ path, loadedBytes }) => {
              if (path === 'model.safetensors') loaded = loadedBytes;
            },
          });
          const config = await folder.readText('config.json');
          const none = await folder.readText('preprocessor_config.json');
          const source = await folder.open('model.safetensors');
          const bytes = await source.read(0, source.size);
          const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as BufferSource));
          const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
          const border = [...(await source.read(8 * 2 ** 20 - 2, 4))];
          await folder.close();
          return { config, none, hash, border, loaded, notices, list: await folder.list() };
        } catch (error) {
          return { error: `${(error as Error).name}: ${(error as Error).message}`, loaded, notices };
        }
      },
      { endpoint: hub.endpoint, pauses: [10, 10], ...options },
    );

  const whole = {
    config: CONFIG,
    hash: sha256(WEIGHTS),
    border: [...WEIGHTS.subarray(PIECE_BYTES - 2, PIECE_BYTES + 2)],
    list: ['config.json', 'model.safetensors'],
  };
  const asked = () =>
    hub.seen.filter(({ method }) => method !== 'OPTIONS').map(({ path }) => path.split('?')[0]);

  /** The weights, cut off at a byte. */
  const READ_MS = 2000;
  const cutAt =
    (end: number): Handler =>
    (request, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(start ? 206 : 200, {
        'content-length': WEIGHTS.length - start,
        ...(start && { 'content-range': `bytes ${start}-${WEIGHTS.length - 1}/${WEIGHTS.length}` }),
      });
      // A browser drops what the page has not read yet when a connection ends too early: it gets the time to.
      response.write(WEIGHTS.subarray(start, end), () =>
        setTimeout(() => response.destroy(), end > start ? READ_MS : 0),
      );
    };

  test('downloads, keeps, and asks only for the list on the next visit', async () => {
    expect(await load()).toMatchObject({ ...whole, loaded: WEIGHTS.length, notices: [] });
    expect(asked()).toEqual([
      '/api/models/google/vit/revision/main',
      `/google/vit/resolve/${COMMIT}/config.json`,
      `/google/vit/resolve/${COMMIT}/model.safetensors`,
      `/${sha256(WEIGHTS)}`,
    ]);
    await visit();
    hub.seen.length = 0;
    expect(await load()).toMatchObject(whole);
    expect(asked()).toEqual(['/api/models/google/vit/revision/main']);
    hub.seen.length = 0;
    expect(await load({ offline: true })).toMatchObject(whole);
    expect(asked()).toEqual([]);
    const files = await page.evaluate(() => globalThis.hub.listCachedFiles());
    expect(files.map(({ name, bytes }) => [name, bytes])).toEqual(
      expect.arrayContaining([
        ['google/vit/config.json', CONFIG.length],
        ['google/vit/model.safetensors', WEIGHTS.length],
      ]),
    );
    await page.evaluate(() => globalThis.hub.clearHubCache());
    expect(await page.evaluate(() => globalThis.hub.listCachedFiles())).toEqual([]);
    expect((await load({ offline: true })).error).toMatch(
      /^UserError: google\/vit: revision main is not in the/,
    );
  });

  test('the token goes to the hub and not to the host that it redirects to', async () => {
    hub.repos['google/vit'] = { ...hub.repos['google/vit']!, gated: true };
    expect((await load()).error).toBe(
      `UserError: access to google/vit is restricted: accept its conditions on the hub (${hub.endpoint}/google/vit) ` +
        'and give one as the option token',
    );
    hub.seen.length = 0;
    expect(await load({ token: GOOD_TOKEN })).toMatchObject(whole);
    const requests = hub.seen.filter(({ method }) => method === 'GET');
    for (const { host, headers } of requests) {
      expect(headers.authorization).toBe(host === 'hub' ? `Bearer ${GOOD_TOKEN}` : undefined);
    }
    expect(requests.map(({ host }) => host)).toContain('cdn');
  });

  test('a cut connection is taken up; after a reload the whole pieces that came are there', async () => {
    hub.cdnFaults.push(cutAt(PIECE_BYTES + 1000), ...Array(3).fill(cutAt(0)));
    expect((await load()).error).toMatch(/further tries got no more than 838\d{4} of 20971520 bytes/);
    await visit();
    hub.seen.length = 0;
    hub.cdnFaults.length = 0;
    hub.cdnFaults.push(cutAt(PIECE_BYTES + 500));
    expect(await load()).toMatchObject(whole);
    const ranges = hub.seen.filter(({ host }) => host === 'cdn').map(({ headers }) => headers.range);
    // How much of what was sent before the cut is handed on is the browser's affair.
    expect(ranges).toEqual([`bytes=${PIECE_BYTES}-`, expect.stringMatching(/^bytes=838\d{4}-$/)]);
  });

  test('other bytes than the hub lists, and a text of them: nothing is kept', async () => {
    const other = WEIGHTS.map((byte) => byte ^ 1);
    hub.cdnFaults.push((request, response) => sendRange(request, response, other, '"x"'));
    expect((await load()).error).toMatch(/its sha256 is [0-9a-f]{64}, what was sent has/);
    expect(await load()).toMatchObject(whole);
  });

  test('a kept piece that is damaged is found when it is read, and downloaded anew the next time', async () => {
    await load();
    await page.evaluate(async () => {
      const cache = await caches.open('deit-tfjs-hub');
      const piece = (await cache.keys()).find(({ url }) => url.endsWith('/1'))!;
      const bytes = new Uint8Array(await (await cache.match(piece))!.arrayBuffer());
      bytes[1000]! ^= 1;
      await cache.put(piece, new Response(bytes, { headers: { 'content-length': String(bytes.length) } }));
    });
    expect((await load()).error).toMatch(
      /^UserError: google\/vit\/model\.safetensors: the browser's cache has lost or damaged a part of it; load it again/,
    );
    expect(await load()).toMatchObject(whole);
  });

  test('a hub that cannot be reached: the kept files serve', async () => {
    await load();
    await context.setOffline(true);
    try {
      const { notices, ...rest } = await load();
      expect(rest).toMatchObject(whole);
      expect(notices).toEqual([
        expect.stringMatching(/^google\/vit: the hub cannot be asked .* from the cache/),
      ]);
    } finally {
      await context.setOffline(false);
    }
  });

  test('two pages at once download a file once', async () => {
    const second = await context.newPage();
    try {
      await second.goto(`${server.url}/hub.html`);
      await second.waitForFunction(() => 'hub' in globalThis);
      const inPage = (each: Page) =>
        each.evaluate(async (endpoint) => {
          const folder = await globalThis.hub.openHub('hf:google/vit', { endpoint });
          return (await folder.open('model.safetensors')).size;
        }, hub.endpoint);
      expect(await Promise.all([inPage(page), inPage(second)])).toEqual([WEIGHTS.length, WEIGHTS.length]);
      expect(hub.seen.filter(({ host }) => host === 'cdn')).toHaveLength(1);
    } finally {
      await second.close();
    }
  });

  test('a sandboxed frame has no cache: files stay in memory', async () => {
    const result = await page.evaluate(
      ([base, endpoint]) =>
        new Promise((resolve) => {
          addEventListener('message', ({ data }) => resolve(data), { once: true });
          const frame = document.createElement('iframe');
          frame.sandbox.add('allow-scripts');
          frame.srcdoc = `<script type="module">
            try {
              const { openHub } = await import('${base}/hub.js');
              const folder = await openHub('hf:google/vit', { endpoint: '${endpoint}' });
              const source = await folder.open('model.safetensors');
              const twice = await folder.open('model.safetensors');
              const text = await folder.readText('config.json');
              parent.postMessage({ size: source.size, same: source === twice, text, origin }, '*');
            } catch (error) {
              parent.postMessage(String(error), '*');
            }
          </script>`;
          document.body.append(frame);
        }),
      [server.url, hub.endpoint],
    );
    expect(result).toEqual({ size: WEIGHTS.length, same: true, text: CONFIG, origin: 'null' });
  });
});
