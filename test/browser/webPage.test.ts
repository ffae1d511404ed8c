/** The page in web/: its whole flow, what it does with bad input, and whether everyone can use it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type DistilledVisionTransformer, decodeImage, load, preprocess } from '../../src/node/index.js';
import { describeInBrowser, findChromium, launchChromium } from './chromium.js';
import { watchErrors } from './page.js';
import { CHECKPOINT, convertedDigits, sends, sendsHalf } from './servedModel.js';
import { startServer, type TestServer } from './server.js';

/** Deep enough that an address from the root would be wrong. */
const PATH = '/some/where/deep';
/** V8 needs these instructions for SIMD. */
const NO_SIMD = '--js-flags=--no-enable-ssse3 --no-enable-sse4-1';
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const reference = JSON.parse(await readFile('examples/digits/reference.json', 'utf8')).perImage as {
  file: string;
  top5: number[];
  logits: number[];
}[];

let folder: string;
let browser: Browser;
let server: TestServer;
let page: Page;
let errors: string[];
/** Addresses that the page and its workers asked for. */
let asked: string[];

/** Builds the page as `npm run web:build` does, beside the one that may be there. */
async function buildPage(): Promise<string> {
  const out = join(folder, 'page');
  const vite = ['node_modules/vite/bin/vite.js', 'build', '--config', 'web/vite.config.mjs', '--outDir', out];
  await promisify(execFile)(process.execPath, vite);
  return out;
}

/** A page whose waits are long enough for a machine that is busy with other tests. */
async function newPage(options: BrowserContextOptions = {}, from = browser): Promise<Page> {
  const made = await from.newPage(options);
  made.setDefaultTimeout(60_000);
  return made;
}

async function openPage(options: BrowserContextOptions = {}): Promise<void> {
  page = await newPage(options);
  errors = watchErrors(page);
  asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`${server.url}${PATH}/index.html`);
}

const text = (selector: string) => page.locator(selector).innerText();
const said = () => page.locator('#messages').innerText();

/** Waits until the page has answered for the picture of that name, with its attention. */
async function answered(name: string): Promise<void> {
  await page.waitForFunction(
    (wanted) =>
      document.querySelector('#picture-name')!.textContent === wanted &&
      document.querySelector('#answer-state')!.textContent === '' &&
      document.querySelectorAll('#guesses li').length > 0 &&
      !document.querySelector<HTMLElement>('#heat')!.hidden,
    name,
  );
}

/** The classes with their percentages, as the page shows them. */
function guesses(): Promise<string[][]> {
  return page
    .locator('#guesses .guess-line')
    .evaluateAll((lines) => lines.map((line) => [...line.children].map((child) => child.textContent!)));
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

/** Checks the answer against PyTorch's for a digit. */
async function expectPytorchs(file: string): Promise<void> {
  const { top5, logits } = reference.find((each) => each.file === file)!;
  // Five logits are known of ten; none of the other five is above the last of them.
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  const most = sum + 5 * Math.exp(logits.at(-1)!);
  const found = await guesses();
  expect(found.map(([label]) => label)).toEqual(top5.map(String));
  for (const [i, logit] of logits.entries()) {
    const [low, high] = [most, sum].map((total) => (100 * Math.exp(logit)) / total);
    const shown = found[i]![1]!;
    if (shown === '<0.1 %') expect(low).toBeLessThan(0.1);
    else {
      // Shown to a tenth.
      expect(Number.parseFloat(shown)).toBeGreaterThan(low! - 0.06);
      expect(Number.parseFloat(shown)).toBeLessThan(high! + 0.06);
    }
  }
}

/** Drops files on the page, as a hand would. */
async function drop(files: { name: string; url: string }[]): Promise<void> {
  await page.evaluate(async (given) => {
    const transfer = new DataTransfer();
    for (const { name, url } of given) {
      transfer.items.add(new File([await (await fetch(url)).blob()], name));
    }
    const fire = (type: string) =>
      document.body.dispatchEvent(
        new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }),
      );
    fire('dragenter');
    fire('dragover');
    fire('drop');
  }, files);
}

/** What is drawn over the picture, as a number that changes with it. */
function heat(): Promise<number> {
  return page.locator('#heat').evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, i) => (sum * 31 + value * ((i % 7) + 1)) % 1_000_003, 7);
  });
}

async function choose(name: string, value: string): Promise<void> {
  await page.locator(`input[name="${name}"][value="${value}"]`).check({ force: true });
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
      folders: { [PATH]: await buildPage() },
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
    page = await newPage();
    let release = () => {};
    await page.route('**/*.pth', async (route) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await route.continue();
    });
    await page.goto(`${server.url}${PATH}/index.html`);
    await page.locator('#loading').waitFor();
    await choose('show', 'rollout');
    expect(await text('#attention-note')).toMatch(/^What reaches the token/);
    await drop([{ name: 'seven.png', url: '/examples/digits/val/7/00000.png' }]);
    await page.waitForFunction(() => document.querySelector('#picture-name')!.textContent === 'seven.png');
    expect(await text('#guesses')).toBe('');
    await page.locator('summary', { hasText: 'Which files' }).click();
    expect(await page.locator('details').getAttribute('open')).not.toBeNull();
    release();
    await page.waitForFunction(() => document.querySelectorAll('#guesses li').length > 0);
    expect(await text('#picture-name')).toBe('seven.png');
  });

  describe('the whole flow', () => {
    // One page for all of these, in this order.
    beforeAll(async () => {
      await openPage();
      await answered('digit 3, number 18');
    });
    afterAll(() => page.close());

    test('shows the built-in example with PyTorch’s answer', async () => {
      await expectPytorchs('3/00018.png');
      expect(await text('#model-facts')).toContain('4 layers of 4 heads');
      expect(await text('#backend-why')).toContain('does not send the COOP and COEP headers');
      expect(await page.locator('#strip li').count()).toBe(8);
    });

    test('a checkpoint and pictures are dropped: PyTorch’s top-5 of each', async () => {
      await drop([{ name: 'mine.pth', url: '/digits.pth' }]);
      await page.waitForFunction(() => document.querySelector('#model-name')!.textContent === 'mine.pth');
      for (const file of ['5/00008.png', '7/00017.png', '9/00007.png']) {
        await drop([{ name: file, url: `/examples/digits/val/${file}` }]);
        await answered(file);
        await expectPytorchs(file);
      }
      await page.locator('#strip button[aria-label="5/00008.png"]').click();
      await answered('5/00008.png');
      await expectPytorchs('5/00008.png');
    });

    test('the votes of both heads are told apart', async () => {
      await page.locator('#strip button[aria-label="digit 8, number 435"]').click();
      await answered('digit 8, number 435');
      expect(await text('#disagreement')).toBe(
        'The heads disagree: the class head says 9, the distillation head 8.',
      );
      const shares = await page.locator('#guesses li').first().locator('.head-share').allInnerTexts();
      expect(shares).toEqual(await headShares('8/00435.png', 8));
    });

    test('attention of any layer, head and token, and the rollout, each its own picture', async () => {
      const seen = [await heat()];
      const look = async (act: () => Promise<unknown>) => {
        await act();
        seen.push(await heat());
      };
      await look(() => choose('head', '2'));
      await look(() => page.locator('#layer').fill('2'));
      await look(() => choose('token', 'dist'));
      expect(await page.locator('#picture').getAttribute('aria-label')).toBe(
        'digit 8, number 435, with the attention of the distillation token in layer 2, head 3',
      );
      await look(() => choose('show', 'rollout'));
      await look(() => choose('token', 'cls'));
      expect(new Set(seen).size).toBe(seen.length);
      await choose('show', 'none');
      expect(await page.locator('#heat').isVisible()).toBe(false);
      await choose('show', 'attention');
    });

    test('a converted folder is opened', async () => {
      await page.locator('#folder-input').setInputFiles(join(folder, 'converted'));
      await page.waitForFunction(() => document.querySelector('#model-name')!.textContent === 'converted');
      await answered('digit 8, number 435');
      await expectPytorchs('8/00435.png');
    });

    test.each(['webgl', 'webgpu', 'wasm'])('switched to %s it says the same', async (backend) => {
      await choose('backend', backend);
      await page.waitForFunction(
        (name) => document.querySelector('#backend-now')!.textContent!.startsWith(`${name}:`),
        backend,
      );
      await answered('digit 8, number 435');
      await expectPytorchs('8/00435.png');
    });

    test('switched twice at once, the last choice counts', async () => {
      await choose('backend', 'webgl');
      await choose('backend', 'auto');
      await choose('backend', 'wasm');
      await page.locator('#loading').waitFor({ state: 'hidden' });
      await answered('digit 8, number 435');
      expect(await page.locator('input[value="wasm"]').isChecked()).toBe(true);
      expect(await text('#backend-now')).toMatch(/^wasm:/);
      expect(await said()).toBe('');
    });

    test('the benchmark adds a line', async () => {
      await page.locator('#measure').click();
      await page.locator('#measurements tbody tr').waitFor();
      const cells = await page.locator('#measurements tbody tr').first().locator('th, td').allInnerTexts();
      expect(cells[0]).toBe('converted');
      expect(cells[1]).toMatch(/^wasm: own kernels/);
      expect(cells[2]).toMatch(/^\d+(\.\d)? ms$/);
    });

    test('a picture is pasted', async () => {
      await page.evaluate(async () => {
        const clipboardData = new DataTransfer();
        const blob = await (await fetch('/examples/digits/val/2/00001.png')).blob();
        clipboardData.items.add(new File([blob], 'pasted.png', { type: 'image/png' }));
        document.dispatchEvent(
          new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }),
        );
      });
      await answered('pasted.png');
      await expectPytorchs('2/00001.png');
    });

    test('the camera’s frames are looked at, and one is kept', async () => {
      await page.locator('#camera').click();
      await page.waitForFunction(
        () => document.querySelector('#picture')!.getAttribute('aria-label') === 'Camera',
      );
      await page.locator('#shoot').click();
      await answered('camera 1.png');
      expect(await text('#camera')).toBe('Camera');
    });

    test('everything is reached and chosen with the keyboard', async () => {
      const reached = new Set<string>();
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab');
        reached.add(
          await page.evaluate(() => {
            const element = document.activeElement as HTMLInputElement;
            return element.id || element.name || element.getAttribute('aria-label') || element.tagName;
          }),
        );
      }
      const wanted = ['use-digits', 'open-file', 'open-folder', 'url', 'SUMMARY', 'choose-picture', 'camera'];
      const more = ['digit 9, number 7', 'show', 'token', 'layer', 'head', 'strength', 'backend', 'measure'];
      for (const id of [...wanted, ...more]) expect([...reached]).toContain(id);
      const before = await heat();
      await page.locator('input[name="head"]').first().focus();
      await page.keyboard.press('ArrowRight');
      expect(await page.locator('input[name="head"][value="0"]').isChecked()).toBe(true);
      expect(await heat()).not.toBe(before);
      await page.locator('#strip button[aria-label="digit 0, number 3"]').focus();
      await page.keyboard.press('Enter');
      await answered('digit 0, number 3');
    });

    test('axe finds nothing serious, light or dark, at the width of a phone', async () => {
      await page.setViewportSize({ width: 390, height: 844 });
      await page.locator('summary').first().click();
      await drop([{ name: 'words.txt', url: '/words.txt' }]);
      await page.locator('#messages .message').waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
      await page.evaluate(await readFile(AXE, 'utf8'));
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        const { violations } = await page.evaluate(() =>
          (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
        );
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
      }
    });

    test('the built-in example comes back, its pictures not twice', async () => {
      const before = await page.locator('#strip li').count();
      await page.locator('#use-digits').click();
      await page.waitForFunction(() => document.querySelector('#model-name')!.textContent === 'Digits');
      await answered('digit 0, number 3');
      await expectPytorchs('0/00003.png');
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
      await answered('digit 3, number 18');
    });
    afterEach(async () => {
      // Whatever came, what was there is still there and works.
      expect(await text('#model-name')).toBe('Digits');
      const other =
        (await text('#picture-name')) === 'digit 0, number 3' ? 'digit 2, number 1' : 'digit 0, number 3';
      await page.locator(`#strip button[aria-label="${other}"]`).click();
      await answered(other);
      await expectPytorchs(other === 'digit 0, number 3' ? '0/00003.png' : '2/00001.png');
      expect(await said()).toBe('');
    });
    afterAll(() => page.close());

    const told = async (pattern: RegExp) => {
      await page.locator('#messages .message').waitFor();
      expect(await said()).toMatch(pattern);
    };

    test.each([
      ['words.txt', /words\.txt cannot be shown\s+words\.txt: not a picture that this browser reads/],
      ['huge.png', /huge\.png: 12000 × 10000 is 120 megapixels; at most 67 megapixels/],
      ['words.pth', /words\.pth could not be loaded\s+.*(neither|not a|expected)/],
      [
        'other.pth',
        /other\.pth could not be loaded\s+.*no vision transformer in it: expected .*, found 9 tensors/,
      ],
      ['short.pth', /short\.pth could not be loaded\s+.+/],
      ['hostile.pth', /hostile\.pth could not be loaded\s+.*found a plain Python pickle/],
    ])('%s is dropped', async (name, pattern) => {
      await drop([{ name, url: `/${name}` }]);
      await told(pattern);
    });

    test.each([
      [
        'cut.pth',
        /cut\.pth could not be loaded\s+.*the download broke off after \d+ of \d+ bytes; try again/,
      ],
      ['nothing.pth', /nothing\.pth could not be loaded\s+.*the server answered 404/],
    ])('the address of %s is given', async (name, pattern) => {
      await page.locator('#url').fill(`${server.url}/${name}`);
      await page.locator('#url-form button').click();
      await told(pattern);
    });

    test('a folder without its weights', async () => {
      await page.locator('#folder-input').setInputFiles(join(folder, 'bare'));
      await told(/bare could not be loaded\s+.*is not among the files; give the whole folder/);
    });

    test('a load is cancelled', async () => {
      await page.route('**/digits.pth', () => {});
      await page.locator('#url').fill(`${server.url}/digits.pth`);
      await page.locator('#url-form button').click();
      await page.locator('#cancel').click();
      await page.locator('#loading').waitFor({ state: 'hidden' });
      expect(await text('#announcer')).toBe('digits.pth: cancelled');
    });
  });

  test('a lost WebGL context is told, and WASM takes over at a press', async () => {
    await openPage();
    await answered('digit 3, number 18');
    await choose('backend', 'webgl');
    await page.waitForFunction(() =>
      document.querySelector('#backend-now')!.textContent!.startsWith('webgl:'),
    );
    await answered('digit 3, number 18');
    for (const worker of page.workers()) {
      await worker.evaluate(async (library) => {
        const { tf } = (await import(library)) as typeof import('../../src/browser/index.js');
        const { gl } = (tf.backend() as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
        gl.getExtension('WEBGL_lose_context')!.loseContext();
      }, `${server.url}${PATH}/lib/deit-tfjs.js`);
    }
    await page.locator('#strip button[aria-label="digit 0, number 3"]').click();
    await page.locator('#messages .message').waitFor();
    expect(await said()).toMatch(
      /Digits gave no answer\s+the webgl backend lost its GPU .*load the model again/,
    );
    await page.locator('#messages button', { hasText: 'Use WASM' }).click();
    await answered('digit 0, number 3');
    await expectPytorchs('0/00003.png');
    expect(await text('#backend-now')).toMatch(/^wasm:/);
    expect(await said()).toBe('');
  });

  test('cross-origin isolated, it says so and works as well', async () => {
    const isolated = await startServer({ folders: { [PATH]: join(folder, 'page') }, isolated: true });
    try {
      page = await newPage();
      errors = watchErrors(page);
      await page.goto(`${isolated.url}${PATH}/index.html`);
      await answered('digit 3, number 18');
      await expectPytorchs('3/00018.png');
      expect(await text('#backend-why')).toContain('cross-origin isolated');
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
      page = await newPage({}, poor);
      await page.goto(`${server.url}${PATH}/index.html`);
      await answered('digit 3, number 18');
      await expectPytorchs('3/00018.png');
      expect(await text('#backend-now')).toMatch(/^wasm: plain ops/);
      expect(await text('#backend-why')).toMatch(/webgl: this browser has no WebGL 2/);
      await choose('backend', 'webgl');
      await page.locator('#messages .message').waitFor();
      expect(await said()).toMatch(/Digits could not be loaded\s+this browser has no WebGL 2/);
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
