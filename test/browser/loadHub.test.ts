/** load('hf:…') in a page: a folder of Hugging Face, with all that its config.json says, and a converted folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type HubServer, type ServedFile, startHub } from '../hub/hubServer.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage } from './page.js';
import { convertedDigits } from './servedModel.js';
import { startServer, type TestServer } from './server.js';

const FOLDER = 'test/fixtures/folders/vit';
const EXPECTED = JSON.parse(readFileSync('test/fixtures/folders/expected.json', 'utf8')).vit as {
  side: number;
  output: number[];
};

/** The formula that make_folders.py gives the library. */
function exampleInput(side: number): number[] {
  return Array.from({ length: side * side * 3 }, (_, i) =>
    Math.sin((i % 3) + 0.7 * Math.floor(i / 3 / side) + 1.3 * (Math.floor(i / 3) % side)),
  );
}

describeInBrowser('load of a name on the hub', () => {
  let browser: Browser;
  let server: TestServer;
  let hub: HubServer;
  let page: Page;

  beforeAll(async () => {
    const files: Record<string, ServedFile> = {};
    for (const name of readdirSync(FOLDER)) files[name] = { bytes: readFileSync(join(FOLDER, name)) };
    const digits: Record<string, ServedFile> = {};
    for (const [name, bytes] of await convertedDigits()) digits[name] = { bytes };
    hub = await startHub({
      'someone/vit': { commit: 'a'.repeat(40), files },
      'someone/digits': { commit: 'b'.repeat(40), files: digits },
    });
    server = await startServer({ routes: {} });
    browser = await launchChromium();
    ({ page } = await openPage(browser, server));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await hub?.close();
  });

  const load = (name: string, options: object = {}) =>
    page.evaluate(
      async ({ name, options, endpoint, input, side }) => {
        const downloaded = new Set<string>();
        const hub = { endpoint, onProgress: ({ path }: { path: string }) => downloaded.add(path) };
        try {
          const model = await globalThis.deit.load(name, { backend: 'wasm', hub, ...options });
          const { config, labels, assumptions } = model;
          let logits: number[] | undefined;
          if (config.imgSize[0] === side) {
            const x = globalThis.deit.tf.tensor4d(input, [1, side, side, 3]);
            const y = model.predict(x) as { data(): Promise<Float32Array> };
            logits = [...(await y.data())];
          }
          model.dispose();
          return { config, labels, assumptions, logits, downloaded: [...downloaded].sort() };
        } catch (error) {
          return { error: `${(error as Error).name}: ${(error as Error).message}` };
        }
      },
      { name, options, endpoint: hub.endpoint, input: exampleInput(EXPECTED.side), side: EXPECTED.side },
    );

  test('what config.json says is read, and the logits are those of the library', async () => {
    const { error, config, logits, downloaded } = await load('hf:someone/vit');
    expect(error).toBeUndefined();
    expect(config).toMatchObject({ numHeads: 4, layerNormEps: 1e-12 });
    for (const [i, value] of EXPECTED.output.entries()) expect(logits![i]).toBeCloseTo(value, 5);
    expect(downloaded).toEqual(['config.json', 'model.safetensors', 'preprocessor_config.json']);
  });

  test('a converted folder is one on the hub too, and refuses the options of a conversion', async () => {
    const { error, labels } = await load('hf:someone/digits');
    expect(error).toBeUndefined();
    expect(labels).toHaveLength(10);
    expect((await load('hf:someone/digits', { numHeads: 2 })).error).toMatch(
      /UserError: .*is converted already/,
    );
  });

  test('a name that is not there', async () => {
    expect((await load('hf:someone/nothing')).error).toMatch(/^UserError: .*someone\/nothing/);
  });
});
