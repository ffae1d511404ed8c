/** The package in a bundler (Vite, as it comes): imports, WASM files and the worker's script all arrive in the output. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { watchErrors } from './page.js';
import { startServer, type TestServer } from './server.js';

const MAIN = `
import { load, loadInWorker } from 'deit-tfjs';

window.run = async (url, image) => {
  const blob = await (await fetch(image)).blob();
  const options = { backend: 'wasm', cache: false };
  const here = await load(url, options);
  const there = await loadInWorker(url, options);
  const results = [await here.classify(blob, { topK: 1 }), await there.classify(blob, { topK: 1 })];
  const gpu = await load(url, { backend: 'webgl', cache: false });
  results.push(await gpu.classify(blob, { topK: 1 }));
  there.dispose();
  return results.map(([{ index }]) => index);
};
`;

describeInBrowser('the package in a bundler', () => {
  let folder: string;
  let browser: Browser;
  let server: TestServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deit-bundler-'));
    await writeFile(join(folder, 'package.json'), '{"type": "module"}');
    await writeFile(
      join(folder, 'index.html'),
      '<!doctype html><link rel="icon" href="data:,"><script type="module" src="main.js"></script>',
    );
    await writeFile(join(folder, 'main.js'), MAIN);
    await mkdir(join(folder, 'node_modules'));
    await symlink(resolve('.'), join(folder, 'node_modules/deit-tfjs'));
    const vite = resolve('node_modules/vite/bin/vite.js');
    await promisify(execFile)(process.execPath, [vite, 'build', '--base', './', '--logLevel', 'error'], {
      cwd: folder,
    });
    server = await startServer({ folders: { '/app': join(folder, 'dist') } });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('a page built with Vite classifies in the page, in a worker and on WebGL', async () => {
    const assets = await readdir(join(folder, 'dist/assets'));
    expect(assets.filter((file) => file.endsWith('.wasm'))).toHaveLength(3);
    const page = await browser.newPage();
    const errors = watchErrors(page);
    await page.goto(`${server.url}/app/index.html`);
    await page.waitForFunction(() => 'run' in globalThis);
    const found = await page.evaluate(() => {
      const { run } = globalThis as unknown as { run(url: string, image: string): Promise<number[]> };
      return run('/examples/digits/deit_digits_distilled.pth', '/examples/digits/val/3/00018.png');
    });
    expect(found).toEqual([3, 3, 3]);
    expect(errors).toEqual([]);
  });
});
