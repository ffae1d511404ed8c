/** The prebuilt bundle in a page with no bundler: a checkpoint's bytes in, PyTorch's logits out. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage, type WatchedPage } from './page.js';
import { startServer, type TestServer } from './server.js';

const reference = JSON.parse(readFileSync('examples/digits/reference.json', 'utf8')).perImage as {
  file: string;
  top5: number[];
  logits: number[];
}[];

describeInBrowser('the bundle', () => {
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

  test('parses, converts and runs the digits checkpoint: top-5 and logits are PyTorch’s', async () => {
    const images = reference.filter((_, i) => i % 40 === 0);
    const found = await watched.page.evaluate(
      async (files) => {
        const { deit } = globalThis;
        const bytes = await (await fetch('/examples/digits/deit_digits_distilled.pth')).arrayBuffer();
        const model = await deit.load(bytes, { backend: 'wasm' });
        const results = [];
        for (const file of files) {
          const image = await (await fetch(`/examples/digits/val/${file}`)).blob();
          results.push(await model.classify(image, { topK: 5 }));
        }
        model.dispose();
        return results;
      },
      images.map(({ file }) => file),
    );
    for (const [i, { top5, logits }] of images.entries()) {
      expect(found[i]!.map(({ index }) => index)).toEqual(top5);
      const scale = Math.abs(logits[0]!);
      for (const [k, logit] of logits.entries())
        expect(Math.abs(found[i]![k]!.logit - logit) / scale).toBeLessThan(1e-5);
    }
    expect(watched.errors).toEqual([]);
  });
});
