/** The page in web/: its whole flow, what it does with bad input, and whether everyone can use it. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type DistilledVisionTransformer, decodeImage, load, preprocess } from '../../src/node/index.js';
import { type HubServer, type ServedFile, startHub } from '../hub/hubServer.js';
import { describeInBrowser, findChromium, launchChromium } from './chromium.js';
import { watchErrors } from './page.js';
import { CHECKPOINT, convertedDigits, sends, sendsHalf } from './servedModel.js';
import { startServer, type TestServer } from './server.js';
import { builtPage, newPage, openVisit, Visit } from './visit.js';

/** Deep enough that an address from the root would be wrong. */
const PATH = '/some/where/deep';
/** V8 needs these instructions for SIMD. */
const NO_SIMD = '--js-flags=--no-enable-ssse3 --no-enable-sse4-1';

let folder: string;
let browser: Browser;
let server: TestServer;
let page: Page;
let visit: Visit;
let errors: string[];
/** Addresses that the page and its workers asked for. */
let asked: string[];

async function openPage(options: BrowserContextOptions = {}, from = browser): Promise<void> {
  ({ page, visit, errors, asked } = await openVisit(from, `${server.url}${PATH}/index.html`, options));
}

/** What both heads give a class, as Node has it and as the page should show it. */
async function headShares(file: string, index: number): Promise<string[]> {
  const model = (await load(CHECKPOINT, { backend: 'wasm' })) as DistilledVisionTransformer;
  const pixels = preprocess(await decodeImage(`examples/digits/val/${file}`), model.preprocessing);
  const heads = model.predictHeads(tf.tensor4d(pixels, [1, ...model.preprocessing.crop, 3]));
  const shares = heads.map((logits) => tf.softmax(logits).dataSync()[index]!);
  model.dispose();
  return shares.map((share) => `${(100 * share).toFixed(1)} %`);
}

/** Answers the page's requests to the hub from a server of the same kind. */
async function serveHub(page: Page, hub: HubServer): Promise<void> {
  const address = /^https:\/\/huggingface\.co\//;
  await page.context().route(address, async (route) => {
    const url = route.request().url().replace(address, `${hub.endpoint}/`);
    await route.fulfill({ response: await route.fetch({ url }) });
  });
}

describeInBrowser('the page', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deit-page-'));
    const checkpoint = await readFile(CHECKPOINT);
    const converted = await convertedDigits();
    await mkdir(join(folder, 'converted'));
    for (const [name, bytes] of converted) await writeFile(join(folder, 'converted', name), bytes);
    await mkdir(join(folder, 'bare'));
    await writeFile(join(folder, 'bare', 'model.json'), converted.get('model.json')!);
    server = await startServer({
      folders: { [PATH]: await builtPage() },
      routes: {
        '/cut.pth': sendsHalf(checkpoint),
        '/digits.pth': sends(checkpoint),
        '/short.pth': sends(checkpoint.subarray(0, 100_000)),
        '/words.pth': sends(Buffer.from('these are words and no tensors')),
        '/hostile.pth': sends(Buffer.from('\x80\x02cos\nsystem\nX\x04\x00\x00\x00exit\x85R.', 'latin1')),
        '/other.pth': sends(await readFile('test/fixtures/checkpoints/bare.zip.pth')),
        '/words.txt': sends(Buffer.from('hello')),
        '/huge.png': sends(hugePng()),
      },
    });
    browser = await launchChromium(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('is there to be used before the weights are', async () => {
    page = await newPage(browser);
    visit = new Visit(page);
    let release = () => {};
    await page.route('**/*.pth', async (route) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await route.continue();
    });
    await page.goto(`${server.url}${PATH}/index.html`);
    await page.locator('#loading').waitFor();
    await visit.choose('show', 'rollout');
    expect(await visit.text('#attention-note')).toMatch(/^What reaches the token/);
    await visit.drop([{ name: 'seven.png', url: '/examples/digits/val/7/00000.png' }]);
    await page.waitForFunction(() => document.querySelector('#image-name')!.textContent === 'seven.png');
    expect(await visit.text('#predictions')).toBe('');
    await visit.openPanel();
    await page.locator('summary', { hasText: 'Which files' }).click();
    expect(await page.locator('#model-panel details:not(#hints)').getAttribute('open')).not.toBeNull();
    release();
    await page.waitForFunction(() => document.querySelectorAll('#predictions li').length > 0);
    expect(await visit.text('#image-name')).toBe('seven.png');
  });

  describe('the whole flow', () => {
    // One page for all of these, in this order.
    beforeAll(async () => {
      await openPage();
      await visit.answered('digit 3, number 18');
    });
    afterAll(() => page.close());

    test('shows the built-in example with PyTorch’s answer', async () => {
      await visit.expectPytorchs('3/00018.png');
      expect(await visit.text('#model-facts')).toContain('4 layers of 4 heads');
      expect(await visit.text('#backend-why')).toContain('does not send the COOP and COEP headers');
      expect(await page.locator('#strip li').count()).toBe(8);
    });

    test('what the model’s worker imports was prefetched', async () => {
      const prefetched = await page
        .locator('link[rel="prefetch"]')
        .evaluateAll((links) => links.map((link) => (link as HTMLLinkElement).href));
      const scripts = asked.filter((url) => /\/(lib\/[^/]*|worker-[^/]*)\.js$/.test(url));
      // Which kernels it takes is known when it runs.
      const imported = scripts.filter((url) => !/simd\w*\.js$/i.test(url));
      expect(imported.some((url) => url.endsWith('/lib/core.js'))).toBe(true);
      expect([...new Set(imported)].sort()).toEqual([...prefetched].sort());
    });

    test('a checkpoint and images are dropped: PyTorch’s top-5 of each', async () => {
      await visit.drop([{ name: 'mine.pth', url: '/digits.pth' }]);
      await visit.modelIs('mine.pth');
      for (const file of ['5/00008.png', '7/00017.png', '9/00007.png']) {
        await visit.drop([{ name: file, url: `/examples/digits/val/${file}` }]);
        await visit.answered(file);
        await visit.expectPytorchs(file);
      }
      await page.locator('#strip button[aria-label="5/00008.png"]').click();
      await visit.answered('5/00008.png');
      await visit.expectPytorchs('5/00008.png');
    });

    test('the votes of both heads are told apart', async () => {
      await page.locator('#strip button[aria-label="digit 8, number 435"]').click();
      await visit.answered('digit 8, number 435');
      expect(await visit.text('#heads-note')).toBe(
        'The heads disagree: the class head says 9, the distillation head 8.',
      );
      const shares = await page.locator('#predictions li').first().locator('.head-share').allInnerTexts();
      expect(shares).toEqual(await headShares('8/00435.png', 8));
    });

    test('attention of any layer, head and token, and the other maps, each its own image', async () => {
      const seen = [await visit.heat()];
      const look = async (act: () => Promise<unknown>) => {
        await act();
        seen.push(await visit.newHeat(seen.at(-1)!));
      };
      await look(() => page.locator('[aria-label="layer 4, head 3"]').click());
      await look(() => page.locator('[aria-label="layer 2, head 3"]').click());
      await look(() => visit.choose('token', 'dist'));
      expect(await page.locator('#stage').getAttribute('aria-label')).toBe(
        'digit 8, number 435, with the attention of the distillation token in layer 2, head 3',
      );
      for (const token of ['mean', 'patch']) await look(() => visit.choose('token', token));
      await look(() => visit.choose('show', 'rollout'));
      await look(() => visit.choose('token', 'cls'));
      await look(() => page.locator('#fusion').selectOption('max'));
      await look(() => page.locator('#discard').fill('60'));
      await look(() => visit.choose('show', 'relevance'));
      await look(() => page.locator('#predictions button').nth(1).click());
      await look(() => visit.choose('show', 'similarity'));
      await look(() => visit.choose('show', 'colors'));
      expect(new Set(seen).size).toBe(seen.length);
      await visit.choose('show', 'none');
      expect(await page.locator('#heat').isVisible()).toBe(false);
      await visit.choose('show', 'attention');
      await visit.choose('token', 'cls');
    });

    test('a converted folder is opened', async () => {
      await page.locator('#folder-input').setInputFiles(join(folder, 'converted'));
      await page.waitForFunction(() => document.querySelector('#model-name')!.textContent === 'converted');
      await visit.answered('digit 8, number 435');
      await visit.expectPytorchs('8/00435.png');
    });

    test.each(['webgl', 'webgpu', 'wasm'])('switched to %s it says the same', async (backend) => {
      await visit.choose('backend', backend);
      await page.waitForFunction(
        (name) => document.querySelector('#backend-now')!.textContent!.startsWith(`${name}:`),
        backend,
      );
      await visit.answered('digit 8, number 435');
      await visit.expectPytorchs('8/00435.png');
    });

    test('switched twice at once, the last choice counts', async () => {
      await visit.choose('backend', 'webgl');
      await visit.choose('backend', 'auto');
      await visit.choose('backend', 'wasm');
      await page.locator('#loading').waitFor({ state: 'hidden' });
      await visit.answered('digit 8, number 435');
      expect(await page.locator('input[value="wasm"]').isChecked()).toBe(true);
      expect(await visit.text('#backend-now')).toMatch(/^wasm:/);
      expect(await visit.said()).toBe('');
    });

    test('the benchmark adds a line', async () => {
      await page.locator('#measure').click();
      await page.locator('#measurements tbody tr').waitFor();
      const cells = await page.locator('#measurements tbody tr').first().locator('th, td').allInnerTexts();
      expect(cells[0]).toBe('converted');
      expect(cells[1]).toMatch(/^wasm: own engine, \d+-bit SIMD/);
      expect(cells[2]).toMatch(/^\d+(\.\d)? ms$/);
    });

    test('an image is pasted', async () => {
      await page.evaluate(async () => {
        const clipboardData = new DataTransfer();
        const blob = await (await fetch('/examples/digits/val/2/00001.png')).blob();
        clipboardData.items.add(new File([blob], 'pasted.png', { type: 'image/png' }));
        document.dispatchEvent(
          new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }),
        );
      });
      await visit.answered('pasted.png');
      await visit.expectPytorchs('2/00001.png');
    });

    test('the camera’s frames are looked at, and one is kept', async () => {
      await page.locator('#camera').click();
      await visit.answered('Camera');
      await page.locator('#shoot').click();
      await visit.answered('camera 1.png');
      expect(await visit.text('#camera')).toBe('Camera');
    });

    test('everything is reached and chosen with the keyboard', async () => {
      await visit.openPanel();
      const reached = new Set<string>();
      for (let i = 0; i < 45; i++) {
        await page.keyboard.press('Tab');
        reached.add(
          await page.evaluate(() => {
            const element = document.activeElement as HTMLInputElement;
            return element.id || element.name || element.getAttribute('role') || element.tagName;
          }),
        );
      }
      const wanted = ['change-model', 'use-digits', 'open-file', 'open-folder', 'url', 'SUMMARY', 'stage'];
      const more = ['choose-image', 'camera', 'show', 'token', 'gridcell', 'strength', 'erasing', 'backend'];
      for (const id of [...wanted, ...more, 'preset', 'measure']) expect([...reached]).toContain(id);
      await page.keyboard.press('Escape');
      // Arrows go through layers and heads, images, and patches.
      const before = await visit.heat();
      await page.locator('[role="gridcell"][tabindex="0"]').focus();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowUp');
      await visit.newHeat(before);
      expect(await page.locator('[aria-selected="true"]').getAttribute('aria-label')).toBe('layer 3, head 1');
      await page.locator('#strip [aria-current]').focus();
      await page.keyboard.press('End');
      const last = (await page.locator('#strip button').last().getAttribute('aria-label'))!;
      await visit.answered(last);
      await page.keyboard.press('Home');
      await visit.answered((await page.locator('#strip button').first().getAttribute('aria-label'))!);
      await page.locator('#stage').focus();
      for (const key of ['Home', 'ArrowRight', 'ArrowDown']) await page.keyboard.press(key);
      expect(await visit.text('#patch-value')).toMatch(/^row 2, column 2: /);
      await visit.press('digit 0, number 3');
      await visit.answered('digit 0, number 3');
    });

    test('axe finds nothing, light or dark, with the panel open and a message, at the width of a phone', async () => {
      await page.setViewportSize({ width: 390, height: 844 });
      await visit.openPanel();
      await visit.drop([{ name: 'words.txt', url: '/words.txt' }]);
      await visit.told(/words.txt/);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        expect(await visit.axe()).toEqual([]);
      }
      await visit.dismissAll();
      await page.setViewportSize({ width: 1366, height: 768 });
    });

    test('the built-in example comes back, its images not twice', async () => {
      const before = await page.locator('#strip li').count();
      await visit.openPanel();
      await page.locator('#use-digits').click();
      await visit.modelIs('Digits');
      await visit.answered('digit 0, number 3');
      await visit.expectPytorchs('0/00003.png');
      expect(await page.locator('#strip li').count()).toBe(before);
    });

    test('nothing went to the console as an error, and nothing was asked of another site', () => {
      expect(errors).toEqual([]);
      const hosts = new Set(asked.map((url) => new URL(url.replace(/^blob:/, '')).host));
      expect([...hosts].filter((host) => host !== '')).toEqual([new URL(server.url).host]);
    });
  });

  describe('bad input', () => {
    beforeAll(async () => {
      await openPage();
      await visit.answered('digit 3, number 18');
    });
    afterEach(async () => {
      await visit.dismissAll();
      // Whatever came, what was there is still there and works.
      expect(await visit.text('#model-name')).toBe('Digits');
      const other =
        (await visit.text('#image-name')) === 'digit 0, number 3' ? 'digit 2, number 1' : 'digit 0, number 3';
      await page.locator(`#strip button[aria-label="${other}"]`).click();
      await visit.answered(other);
      await visit.expectPytorchs(other === 'digit 0, number 3' ? '0/00003.png' : '2/00001.png');
      expect(await visit.said()).toBe('');
    });
    afterAll(() => page.close());

    test.each([
      ['words.txt', /words\.txt cannot be shown\s+words\.txt: not an image that this browser reads/],
      ['huge.png', /huge\.png: 12000 × 10000 is 120 megapixels; at most 67 megapixels/],
      ['words.pth', /words\.pth could not be loaded\s+.*(neither|not a|expected)/],
      [
        'other.pth',
        /other\.pth could not be loaded\s+.*no vision transformer in it: expected .*, found 9 tensors/,
      ],
      ['short.pth', /short\.pth could not be loaded\s+.+/],
      ['hostile.pth', /hostile\.pth could not be loaded\s+.*found a plain Python pickle/],
    ])('%s is dropped', async (name, pattern) => {
      await visit.drop([{ name, url: `/${name}` }]);
      await visit.told(pattern);
    });

    test.each([
      [
        'cut.pth',
        /cut\.pth could not be loaded\s+.*the download broke off after \d+ of \d+ bytes; try again/,
      ],
      ['nothing.pth', /nothing\.pth could not be loaded\s+.*the server answered 404/],
    ])('the address of %s is given', async (name, pattern) => {
      await visit.openUrl(`${server.url}/${name}`);
      await visit.told(pattern);
    });

    test('a folder without its weights', async () => {
      await page.locator('#folder-input').setInputFiles(join(folder, 'bare'));
      await visit.told(/bare could not be loaded\s+.*is not among the files; give the whole folder/);
    });

    test('a load is cancelled', async () => {
      await page.route('**/digits.pth', () => {});
      await visit.openUrl(`${server.url}/digits.pth`);
      await page.locator('#cancel').click();
      await page.locator('#loading').waitFor({ state: 'hidden' });
      expect(await visit.text('#announcer')).toBe('digits.pth: cancelled');
    });
  });

  test('a name on the hub is given: one that is there, and one that is not', async () => {
    const source = 'test/fixtures/folders/vit';
    const files: Record<string, ServedFile> = {};
    for (const name of await readdir(source)) {
      files[name] = { bytes: await readFile(join(source, name)), lfs: false };
    }
    const hub = await startHub({ 'someone/small': { commit: 'c'.repeat(40), files } });
    await openPage();
    try {
      await serveHub(page, hub);
      await visit.openUrl('someone/small');
      await visit.modelIs('small');
      await visit.openUrl('hf:someone/nothing');
      await visit.told(/nothing could not be loaded\s+.*someone\/nothing/);
      expect(await visit.text('#model-name')).toBe('small');
    } finally {
      await page.close();
      await hub.close();
    }
  });

  test('a lost WebGL context is told, and WASM takes over at a press', async () => {
    await openPage();
    await visit.answered('digit 3, number 18');
    await visit.choose('backend', 'webgl');
    await page.waitForFunction(() =>
      document.querySelector('#backend-now')!.textContent!.startsWith('webgl:'),
    );
    await visit.answered('digit 3, number 18');
    for (const worker of page.workers().filter((each) => !each.url().includes('imageWorker'))) {
      await worker.evaluate(async (library) => {
        const { tf } = (await import(library)) as typeof import('../../src/browser/index.js');
        const { gl } = (tf.backend() as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
        gl.getExtension('WEBGL_lose_context')!.loseContext();
      }, `${server.url}${PATH}/lib/deit-tfjs.js`);
    }
    await visit.press('digit 0, number 3');
    await visit.told(/Digits gave no answer\s+the webgl backend lost its GPU .*load the model again/);
    await page.locator('#messages button', { hasText: 'Use WASM' }).click();
    await visit.answered('digit 0, number 3');
    await visit.expectPytorchs('0/00003.png');
    expect(await visit.text('#backend-now')).toMatch(/^wasm:/);
    expect(await visit.said()).toBe('');
  });

  test('cross-origin isolated, it says so and works as well', async () => {
    const isolated = await startServer({ folders: { [PATH]: await builtPage() }, isolated: true });
    try {
      page = await newPage(browser);
      visit = new Visit(page);
      errors = watchErrors(page);
      await page.goto(`${isolated.url}${PATH}/index.html`);
      await visit.answered('digit 3, number 18');
      await visit.expectPytorchs('3/00018.png');
      expect(await visit.text('#backend-why')).toContain('cross-origin isolated');
      expect(errors).toEqual([]);
    } finally {
      await isolated.close();
    }
  });

  test('no GPU and no SIMD: it says so, and runs', async () => {
    const poor = await chromium.launch({
      executablePath: findChromium()!,
      args: ['--no-sandbox', '--disable-quic', '--disable-gpu', '--disable-software-rasterizer', NO_SIMD],
    });
    try {
      await openPage({}, poor);
      await visit.answered('digit 3, number 18');
      await visit.expectPytorchs('3/00018.png');
      expect(await visit.text('#backend-now')).toMatch(/^wasm: plain ops/);
      expect(await visit.text('#backend-why')).toMatch(/webgl: this browser has no WebGL 2/);
      await visit.choose('backend', 'webgl');
      await visit.told(/webgl cannot be used\s+this browser has no WebGL 2/);
      expect(await page.locator('#messages button').allInnerTexts()).toEqual(['Use WASM', 'Dismiss']);
      expect(await page.locator('input[value="auto"]').isChecked()).toBe(true);
    } finally {
      await poor.close();
    }
  });
});

/** The head of a PNG of 12,000 × 10,000 pixels, with next to nothing in it. */
function hugePng(): Buffer {
  const bytes = Buffer.alloc(57);
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex').copy(bytes);
  bytes.writeUInt32BE(12_000, 16);
  bytes.writeUInt32BE(10_000, 20);
  bytes.set([8, 2, 0, 0, 0], 24);
  return bytes;
}
