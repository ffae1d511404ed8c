/** The page in web/ as a visitor uses it: nothing hidden, nothing lost, nothing shown that does not belong together. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { wilsonInterval } from '../../src/evaluate/report/interval.js';
import { createModel, useBackend } from '../../src/index.js';
import { saveLayersModel } from '../../src/node/saveLayersModel.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { CHECKPOINT, sends } from './servedModel.js';
import { startServer, type TestServer } from './server.js';
import { builtPage, openVisit, type Visit } from './visit.js';

const LAPTOP = { viewport: { width: 1366, height: 768 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };
const VIEWS = { laptop: LAPTOP, phone: PHONE, zoomed: { viewport: { width: 640, height: 400 } } };

let folder: string;
let browser: Browser;
let server: TestServer;
let page: Page;
let visit: Visit;
let errors: string[];

async function openPage(
  options: BrowserContextOptions = LAPTOP,
  address = '',
  before?: (page: Page) => Promise<unknown>,
) {
  const url = `${server.url}/page/index.html${address}`;
  ({ page, visit, errors } = await openVisit(browser, url, options, before));
}

async function openDigits(options: BrowserContextOptions = LAPTOP, address = ''): Promise<void> {
  await openPage(options, address);
  await visit.answered('digit 3, number 18');
}

/** Whether all of an element is inside the window. */
const inView = (selector: string) =>
  page.locator(selector).evaluate((element) => {
    const { top, bottom, left, right } = element.getBoundingClientRect();
    return top >= -1 && left >= -1 && bottom <= innerHeight + 1 && right <= innerWidth + 1 && bottom > top;
  });
const scrolled = () => page.evaluate(() => document.documentElement.scrollTop);

/** A JPEG of noise, as large as a phone's. */
async function photograph(width: number, height: number, orientation?: number): Promise<Buffer> {
  const data = Buffer.alloc(3 * width * height);
  // Left half red, right half blue, with a gradient down.
  for (let i = 0; i < width * height; i++) {
    data[3 * i + (i % width < width / 2 ? 0 : 2)] = 100 + (100 * Math.floor(i / width)) / height;
  }
  const jpeg = sharp(data, { raw: { width, height, channels: 3 } }).jpeg({ quality: 90 });
  return (orientation ? jpeg.withMetadata({ orientation }) : jpeg).toBuffer();
}

/** A small model of a chosen shape as a converted folder. */
async function savedModel(name: string, overrides: object): Promise<string> {
  await useBackend('wasm');
  const small = { imgSize: 32, patchSize: 8, embedDim: 32, depth: 2, numHeads: 2 };
  const model = createModel('deit_tiny_patch16_224', { ...small, ...overrides } as never);
  const path = join(folder, name);
  await saveLayersModel(model.layersModel, path);
  model.dispose();
  return path;
}

describeInBrowser('a visitor of the page', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deit-visitor-'));
    const large = await photograph(4000, 3000);
    server = await startServer({
      folders: { '/page': await builtPage() },
      routes: {
        '/digits.pth': sends(await readFile(CHECKPOINT)),
        '/words.txt': sends(Buffer.from('hello')),
        '/large.jpg': sends(large),
        '/cut.jpg': sends((await photograph(320, 240)).subarray(0, 400)),
        '/sideways.jpg': sends(await photograph(64, 48, 6)),
      },
    });
    browser = await launchChromium();
  });
  afterEach(async () => {
    expect(errors.filter((line) => !/Failed to load resource/.test(line))).toEqual([]);
    await page.close();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test.each(
    Object.entries(VIEWS),
  )('on a %s image and controls are in one view, and nothing scrolls by itself', async (name, view) => {
    await openDigits(view);
    expect(await scrolled()).toBe(0);
    for (const selector of ['#change-model', '#stage', '#caption'])
      expect([selector, await inView(selector)]).toEqual([selector, true]);
    for (const label of ['digit 9, number 7', 'digit 8, number 61']) {
      // As a finger would: Playwright's own click scrolls.
      await page
        .locator(`#strip button[aria-label="${label}"]`)
        .evaluate((button: HTMLElement) => button.click());
      await visit.answered(label);
      expect(await scrolled()).toBe(0);
    }
    await visit.choose('backend', 'wasm'); // Playwright scrolls to it
    await page.evaluate(() => scrollTo(0, 0));
    await page.locator('#loading').waitFor({ state: 'hidden' });
    await visit.answered('digit 8, number 61');
    expect(await scrolled()).toBe(0);
    if (name === 'laptop') {
      for (const selector of ['#head-grid', '#strength', '#predictions', '#strip', '#tokens']) {
        expect([selector, await inView(selector)]).toEqual([selector, true]);
      }
    }
    // Wherever one is, the image stays beside the controls.
    await page.locator('#head-grid').evaluate((element) => element.scrollIntoView({ block: 'end' }));
    expect(await inView('#head-grid')).toBe(true);
    if (name !== 'zoomed') expect(await inView('#stage')).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(view.viewport.width);
  });

  test('messages are in the window, all of them, and stay until they are dealt with', async () => {
    await openDigits(PHONE);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await visit.drop([{ name: 'words.pth', url: '/words.txt' }]);
    await visit.told(/words.pth could not be loaded/);
    await visit.drop([{ name: 'words.png', url: '/words.txt' }]);
    await visit.told(/words.png cannot be shown/);
    expect(await page.locator('#messages .message').count()).toBe(2);
    expect(await inView('#messages .message >> nth=0')).toBe(true);
    // A file that is broken is not mended by another backend.
    expect(await page.locator('#messages button').allInnerTexts()).toEqual([
      'Dismiss',
      'Choose another …',
      'Dismiss',
    ]);
    await visit.press('digit 0, number 3');
    await visit.answered('digit 0, number 3');
    expect(await page.locator('#messages .message').count()).toBe(2);
    await visit.openUrl(`${server.url}/digits.pth`);
    await visit.modelIs('digits.pth');
    expect(await visit.said()).not.toMatch(/could not be loaded/);
    await visit.dismissAll();
    expect(await visit.said()).toBe('');
  });

  test('a missing camera is said where one looks', async () => {
    await openDigits(PHONE);
    await page.evaluate(() => scrollTo(0, 300));
    await page.locator('#camera').evaluate((button: HTMLElement) => button.click());
    await visit.told(/No camera\s+No camera was found/);
    expect(await inView('#messages .message')).toBe(true);
  });

  test('image, name, answer and attention change together', async () => {
    await openDigits();
    // Each change of the page is looked at: no name beside another's answer.
    await page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(globalThis, { seen });
      const look = () => {
        const name = document.querySelector('#image-name')!.textContent!;
        const caption = document.querySelector('#caption')!.textContent!.split(' ')[0];
        const heat = !document.querySelector<HTMLElement>('#heat')!.hidden;
        if (document.querySelector<HTMLElement>('#times')!.hidden)
          seen.push(`${name}: alone${heat ? ' with heat' : ''}`);
        else seen.push(`${name}: ${caption}`);
      };
      new MutationObserver(look).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true,
      });
    });
    for (const name of ['digit 0, number 3', 'digit 2, number 1', 'digit 9, number 7'])
      await visit.press(name);
    await visit.answered('digit 9, number 7');
    await visit.choose('backend', 'wasm');
    await page.locator('#loading').waitFor({ state: 'hidden' });
    await visit.answered('digit 9, number 7');
    const seen = new Set(await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen));
    const right = /^digit (\d), number \d+: (\1|alone)$/;
    expect([...seen].filter((line) => !right.test(line))).toEqual([]);
    expect(seen.has('digit 9, number 7: 9')).toBe(true);
  });

  test('fifty images are kept, and the broken ones among them are named', async () => {
    await openDigits();
    const good = Array.from({ length: 50 }, (_, i) => ({
      name: `good ${i}.png`,
      url: '/examples/digits/val/7/00000.png',
    }));
    const broken = [
      { name: 'words.png', url: '/words.txt' },
      { name: 'cut.jpg', url: '/cut.jpg' },
    ];
    await visit.drop([...good.slice(0, 3), ...broken, ...good.slice(3)]);
    await visit.told(
      /2 of 52 images cannot be shown\s+.*words.png: not an image.*cut.jpg|2 of 52 images cannot be shown\s+.*cut.jpg.*words.png/,
    );
    await visit.answered('good 0.png');
    expect(await page.locator('#strip button').count()).toBe(58);
    expect(await visit.text('#image-count')).toBe('1 of 58');
    await page.locator('#strip [aria-current]').focus();
    await page.keyboard.press('End');
    await visit.answered('digit 9, number 7');
    expect(await visit.text('#image-count')).toBe('58 of 58');
    await page.locator('#clear-images').click();
    expect(await page.locator('#strip button').count()).toBe(0);
    expect(await visit.predictions()).toEqual([]);
  });

  test('a drop that begins with broken images shows the first of it that can be read', async () => {
    await openDigits();
    await visit.drop([
      { name: 'words.png', url: '/words.txt' },
      { name: 'cut.jpg', url: '/cut.jpg' },
      { name: 'good.png', url: '/examples/digits/val/7/00000.png' },
    ]);
    await visit.told(/2 of 3 images cannot be shown/);
    await visit.answered('good.png');
    await visit.expectPytorchs('7/00000.png');
  });

  test('without a network no backend is blamed, and the model stays; with it again a press opens the other', async () => {
    await openDigits();
    await page.context().setOffline(true);
    await visit.openUrl(`${server.url}/digits.pth`);
    await visit.told(
      /digits.pth could not be loaded\s+the files of this page cannot be fetched; check the network/,
    );
    expect(await visit.text('#model-name')).toBe('Digits');
    await page.context().setOffline(false);
    await page.locator('#messages button', { hasText: 'Try again' }).click();
    await visit.modelIs('digits.pth');
  });

  test('an address that is pasted opens: an image, a checkpoint; what cannot be fetched is said', async () => {
    await openDigits();
    await visit.paste(`${server.url}/examples/digits/val/2/00001.png`);
    await visit.answered('00001.png');
    await visit.expectPytorchs('2/00001.png');
    await visit.paste(`${server.url}/digits.pth`);
    await visit.modelIs('digits.pth');
    await visit.paste(`${server.url}/none.png`);
    await visit.told(/none.png could not be fetched\s+the server answered 404/);
    await visit.paste('http://127.0.0.1:9/far.jpg');
    await visit.told(/far.jpg could not be fetched\s+the site cannot be reached, or does not let/);
  });

  test('a photograph that lies sideways is said to, and set upright at a press', async () => {
    await openDigits();
    await visit.drop([{ name: 'sideways.jpg', url: '/sideways.jpg' }]);
    await visit.answered('sideways.jpg');
    expect(await visit.text('#exif-text')).toMatch(/^Read as it is stored, as Python’s PIL does/);
    const corners = () =>
      page.locator('#image').evaluate((canvas: HTMLCanvasElement) => {
        const at = (x: number, y: number) => {
          const [r, , b] = canvas.getContext('2d')!.getImageData(x, y, 1, 1).data;
          return r! > b! ? 'red' : 'blue';
        };
        const { width, height } = canvas;
        return [at(20, 20), at(width - 20, 20), at(20, height - 20), at(width - 20, height - 20)];
      });
    expect(await corners()).toEqual(['red', 'blue', 'red', 'blue']);
    await page.locator('#upright').check();
    await page.waitForFunction(() =>
      /^Rotated upright/.test(document.querySelector('#exif-text')!.textContent!),
    );
    await visit.answered('sideways.jpg');
    // Turned clockwise: what was on the left is above.
    expect(await corners()).toEqual(['red', 'red', 'blue', 'blue']);
  });

  test('the preset is shown and can be chosen, and changes the answer', async () => {
    await openDigits();
    expect(await visit.text('#preset-now')).toMatch(/mean .*; std /);
    const before = await visit.predictions();
    const shown = await page.locator('#predictions').textContent();
    await page.locator('#preset').selectOption('timm');
    await page.waitForFunction((old) => document.querySelector('#predictions')!.textContent !== old, shown);
    await visit.answered('digit 3, number 18');
    expect(await visit.predictions()).not.toEqual(before);
    expect(await page.locator('#preset').inputValue()).toBe('timm');
  });

  test('a model without a head shows features and no classes', async () => {
    const path = await savedModel('headless', { numClasses: 0 });
    await openDigits();
    await page.locator('#folder-input').setInputFiles(path);
    await visit.modelIs('headless');
    await page.locator('#feature').waitFor();
    expect(await visit.text('#model-facts')).toMatch(/no head: 32 features/);
    expect(await visit.text('#model-facts')).not.toMatch(/classes/);
    expect(await visit.text('#feature-text')).toMatch(/it gives 32 features/);
    expect(await page.locator('#predictions li').count()).toBe(0);
    await visit.choose('show', 'relevance');
    await visit.told(/has no head/);
  });

  test('what a checkpoint does not tell is asked for, by names of this page', async () => {
    await openDigits();
    await page.locator('#file-input').setInputFiles('test/fixtures/family/hf_deit_two_heads.safetensors');
    await visit.told(/shapes do not tell their number; give “Attention heads”/);
    expect(await visit.said()).not.toContain('--');
    await page.locator('#messages button', { hasText: 'Say it' }).click();
    expect(await page.evaluate(() => document.activeElement!.id)).toBe('hint-num-heads');
    expect(await visit.text('#hints-for')).toBe('Of hf_deit_two_heads.safetensors:');
    expect(await visit.axe()).toEqual([]);
    await page.keyboard.type('2');
    await page.keyboard.press('Enter');
    await visit.modelIs('hf_deit_two_heads.safetensors');
    await visit.answered('digit 3, number 18');
    expect(await visit.text('#model-facts')).toContain('2 layers of 2 heads');
    // PyTorch's class for the fixture's own input is another matter; here the answer must be that of 2 heads, not of 1.
    const two = await visit.predictions();
    await visit.openPanel();
    await page.locator('#hint-num-heads').fill('1');
    await page.locator('#hints-form button').click();
    await page.waitForFunction(() =>
      /2 layers of 1 heads/.test(document.querySelector('#model-facts')!.textContent!),
    );
    await visit.answered('digit 3, number 18');
    expect(await visit.predictions()).not.toEqual(two);
    expect(await visit.text('#assumptions')).not.toContain('--');
  });

  test('a model of other channels is refused, and no image is blamed for it', async () => {
    await openDigits();
    const count = await visit.text('#image-count');
    await page.locator('#file-input').setInputFiles('test/fixtures/family/timm_grey.safetensors');
    await page.locator('#messages button', { hasText: 'Say it' }).click();
    await page.keyboard.type('2');
    await page.keyboard.press('Enter');
    await visit.told(/takes images of 1 channel\(s\), and this page has images of 3/);
    expect(await visit.text('#image-count')).toBe(count);
    expect(await visit.text('#model-name')).toBe('Digits');
  });

  test('what is typed and is no address is refused, and the model stays', async () => {
    await openDigits();
    for (const [text, reason] of [
      ['C:\\models\\deit.pth', /a page cannot read a path on this device/],
      ['file:///home/me/deit.pth', /a page cannot read a path on this device/],
      ['my model', /neither a name on the hub \(OWNER\/NAME\) nor an address/],
      ['http://', /neither a name on the hub \(OWNER\/NAME\) nor an address/],
      ['javascript:alert(1)', /neither a name on the hub/],
    ] as const) {
      await visit.openUrl(text);
      await visit.told(reason);
      expect(await visit.text('#model-name')).toBe('Digits');
      await visit.dismissAll();
      expect(await visit.said()).toBe('');
    }
  });

  test('a model of ImageNet is offered photographs', async () => {
    const path = await savedModel('thousand', { numClasses: 1000 });
    await openDigits();
    expect(await page.locator('#use-photographs').isVisible()).toBe(false);
    await page.locator('#folder-input').setInputFiles(path);
    await visit.modelIs('thousand');
    await visit.answered('cat');
    expect(await page.locator('#use-photographs').isVisible()).toBe(false);
    expect(await page.locator('#strip button').count()).toBe(12);
  });

  test('an image is decoded once and goes through the model once; a large one does not block the page', async () => {
    await openPage(LAPTOP, '', (made) =>
      made.addInitScript(() => {
        const calls: string[] = [];
        const blocked: number[] = [];
        Object.assign(globalThis, { calls, blocked });
        const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (
          this: Worker,
          message: { method?: string },
          ...rest: unknown[]
        ) {
          if (message.method) calls.push(message.method);
          return (post as (...args: unknown[]) => void).call(this, message, ...rest);
        } as typeof post;
        const decode = globalThis.createImageBitmap;
        globalThis.createImageBitmap = ((...args: Parameters<typeof decode>) => {
          calls.push('decoded in the page');
          return decode(...args);
        }) as typeof decode;
        new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) blocked.push(duration);
        }).observe({ type: 'longtask' });
      }),
    );
    await visit.answered('digit 3, number 18');
    const told = () =>
      page.evaluate(() => {
        const { calls, blocked } = globalThis as unknown as { calls: string[]; blocked: number[] };
        return { calls: calls.splice(0), blocked: blocked.splice(0) };
      });
    await told();
    await visit.press('digit 0, number 3');
    await visit.answered('digit 0, number 3');
    expect((await told()).calls).toEqual(['look']);
    await page.evaluate(async () => {
      const file = new File([await (await fetch('/large.jpg')).blob()], 'large.jpg', { type: 'image/jpeg' });
      const transfer = new DataTransfer();
      transfer.items.add(file);
      document.body.dispatchEvent(
        new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }),
      );
    });
    await visit.answered('large.jpg');
    const { calls, blocked } = await told();
    expect(calls).toEqual(['look']);
    // The page's thread has nothing to do with the 12 megapixels; the allowance is for a machine that is busy.
    expect(Math.max(0, ...blocked)).toBeLessThan(400);
  });

  test('in high contrast bars have a length and what is chosen shows', async () => {
    await openDigits({ ...LAPTOP, forcedColors: 'active' });
    const styles = await page.evaluate(() => {
      const style = (selector: string) => getComputedStyle(document.querySelector(selector)!);
      return {
        bar: style('.bar').borderTopStyle,
        fill: style('.fill').backgroundColor,
        card: style('.card').backgroundColor,
        checked: style('input[name="show"]:checked + span').backgroundColor,
        other: style('input[name="show"]:not(:checked) + span').backgroundColor,
        current: style('#strip [aria-current]').outlineStyle,
        cell: style('[aria-selected="true"]').outlineStyle,
      };
    });
    expect(styles.bar).toBe('solid');
    expect(styles.fill).not.toBe(styles.card);
    expect(styles.checked).not.toBe(styles.other);
    expect([styles.current, styles.cell]).toEqual(['solid', 'solid']);
    expect(await visit.axe()).toEqual([]);
  });

  test('8-bit weights are a switch, which a GPU refuses', async () => {
    await openDigits();
    await page.locator('#int8').check();
    await page.locator('#loading').waitFor({ state: 'hidden' });
    await visit.answered('digit 3, number 18');
    expect(await visit.text('#backend-now')).toMatch(/^wasm:/);
    expect((await visit.predictions())[0]![0]).toBe('3');
    await visit.choose('show', 'relevance');
    await visit.told(/8-bit weights, through which no gradient goes/);
    await visit.dismissAll();
    await visit.choose('backend', 'webgl');
    await visit.told(/Digits could not be loaded/);
    expect(await page.locator('input[name="backend"][value="auto"]').isChecked()).toBe(true);
  });

  test('patches that are erased change the answer, and come back', async () => {
    await openDigits();
    await page.locator('#erasing').check();
    await page.locator('#stage').focus();
    await page.keyboard.press('Home');
    for (const key of ['Enter', 'ArrowRight', 'Enter', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
    await page.locator('.without').first().waitFor();
    const box = (await page.locator('#stage').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.4);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.9, { steps: 6 });
    await page.mouse.up();
    await page.waitForFunction(() => /→ \d/.test(document.querySelector('#predictions')!.textContent!));
    await page.locator('#restore').click();
    await page.waitForFunction(() => !/→/.test(document.querySelector('#predictions')!.textContent!));
    await visit.expectPytorchs('3/00018.png');
  });

  test('the address holds model, image, layer and head, and brings them back', async () => {
    await openDigits();
    await visit.openUrl(`${server.url}/digits.pth`);
    await visit.modelIs('digits.pth');
    await visit.press('digit 8, number 435');
    await visit.answered('digit 8, number 435');
    await page.locator('[aria-label="layer 2, head 3"]').click();
    await page.waitForFunction(() => /head=3/.test(location.hash));
    const address = new URL(page.url()).hash;
    expect(new URLSearchParams(address.slice(1)).get('model')).toBe(`${server.url}/digits.pth`);
    await page.close();
    await openPage(LAPTOP, address);
    await visit.modelIs('digits.pth');
    await visit.answered('digit 8, number 435');
    expect(await page.locator('[aria-selected="true"]').getAttribute('aria-label')).toBe('layer 2, head 3');
  });

  test('back and forward lead to the model and image before, and an address can be typed over another', async () => {
    await openDigits();
    const head = (name: string) => page.locator(`[aria-label="${name}"][aria-selected="true"]`).waitFor();
    await page.waitForTimeout(1100); // less would be a glance
    await visit.press('digit 4, number 247');
    await visit.answered('digit 4, number 247');
    await page.locator('[aria-label="layer 2, head 3"]').click();
    await page.waitForFunction(() => /head=3/.test(location.hash));
    await visit.openUrl(`${server.url}/digits.pth`);
    await visit.modelIs('digits.pth');
    await visit.answered('digit 4, number 247');
    await page.waitForFunction(() => /model=/.test(location.hash));
    const sent = page.url();

    await page.goBack();
    await visit.modelIs('Digits');
    await visit.answered('digit 4, number 247');
    await head('layer 2, head 3');
    await page.goBack();
    await visit.answered('digit 3, number 18');
    expect(await visit.text('#model-name')).toBe('Digits');
    expect(new URL(page.url()).hash).toContain('number+18');
    await page.goForward();
    await visit.answered('digit 4, number 247');
    await head('layer 2, head 3');
    await page.goForward();
    await visit.modelIs('digits.pth');

    const typed = sent.replace('4%2C+number+247', '8%2C+number+435').replace(/layer=\d+/, 'layer=1&head=2');
    await page.evaluate((url) => {
      location.hash = new URL(url).hash;
    }, typed);
    await visit.answered('digit 8, number 435');
    await head('layer 1, head 2');
    expect(await visit.said()).toBe('');
  });

  test('two models look at the same image, and images are ordered by their disagreement', async () => {
    const path = await savedModel('untrained', { imgSize: 28, patchSize: 7, numClasses: 10 });
    await openDigits();
    await page.locator('#keep-model').click();
    expect(await visit.text('#compare-note')).toBe('Digits is kept. Open another model to set it beside.');
    await page.locator('#folder-input').setInputFiles(path);
    await visit.modelIs('untrained');
    await page.locator('#compare-results').waitFor();
    expect(await visit.text('#compare-kept')).toBe('Digits');
    const three = page.locator('#compare-table tbody tr', { has: page.locator('th', { hasText: /^3$/ }) });
    expect(await three.locator('td').nth(1).innerText()).toBe('97.9 %');
    const said = Number.parseFloat(/by ([\d.]+) %/.exec(await visit.text('#compare-distance'))![1]!);
    expect(said).toBeGreaterThan(50);
    expect(await page.locator('#compare-map-difference').isVisible()).toBe(true);
    expect(await visit.axe()).toEqual([]);
    const names = () =>
      page
        .locator('#strip button')
        .evaluateAll((all) => all.map((button) => button.getAttribute('aria-label')!));
    const before = await names();
    await page.locator('#order-images').click();
    await visit.page.waitForFunction(() =>
      /order of the models/.test(document.querySelector('#compare-note')!.textContent!),
    );
    // On a phone both columns are in view.
    await page.setViewportSize({ width: 390, height: 844 });
    expect(
      await page
        .locator('#compare-table')
        .evaluate((table) => table.scrollWidth - table.parentElement!.clientWidth),
    ).toBeLessThanOrEqual(0);
    await page.setViewportSize(LAPTOP.viewport);
    const after = await names();
    expect(after).not.toEqual(before);
    expect(after.toSorted()).toEqual(before.toSorted());
    const differsBy = async (name: string) => {
      await visit.press(name);
      await visit.answered(name);
      await page.locator('#compare-results').waitFor();
      return Number.parseFloat(/by ([\d.]+) %/.exec(await visit.text('#compare-distance'))![1]!);
    };
    expect(await differsBy(after[1]!)).toBeGreaterThanOrEqual(await differsBy(after.at(-1)!));
    await page.locator('#keep-model').click();
    expect(await page.locator('#compare-panel').isHidden()).toBe(true);
    await visit.press('digit 0, number 3');
    await visit.answered('digit 0, number 3');
  });

  describe('class folders', () => {
    const FILES = { 0: ['00003.png'], 3: ['00018.png', '00449.png'], 8: ['00435.png', '00061.png'] };

    test('are evaluated: live figures, a table, CSV and the report', async () => {
      const set = join(folder, 'digits');
      for (const [label, names] of Object.entries(FILES)) {
        await mkdir(join(set, label), { recursive: true });
        for (const name of names)
          await writeFile(join(set, label, name), await readFile(`examples/digits/val/${label}/${name}`));
      }
      await writeFile(join(set, '8', 'broken.png'), 'no image');
      await openDigits();
      await page.locator('#class-folder-input').setInputFiles(set);
      await visit.told(/broken.png/);
      expect(await page.locator('#strip button').count()).toBe(13);
      expect(await visit.text('#evaluate-state')).toBe('6 images in 3 class folders.');
      await page.locator('#evaluate').click();
      await page.locator('#evaluate-results').waitFor();
      expect(await visit.text('#evaluate-state')).toMatch(
        /6 of 6 images, folders matched by numbers; .*; 1 cannot be read/,
      );
      // The second 3 is read wrongly, as PyTorch reads it.
      const [low, high] = wilsonInterval(4, 5);
      const figures = await visit.text('#evaluate-figures');
      expect(figures).toContain('80.0 %');
      expect(figures).toContain(`${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`);
      expect(await page.locator('#evaluate-table tbody tr').count()).toBe(1);
      expect(await visit.text('#evaluate-table tbody tr')).toMatch(/00449\.png/);
      await page.locator('#evaluate-wrong').uncheck();
      expect(await page.locator('#evaluate-table tbody tr').count()).toBe(5);
      await page.locator('#evaluate-filter').fill('8/');
      expect(await page.locator('#evaluate-table tbody tr').count()).toBe(2);
      await page.locator('th button', { hasText: 'Probability' }).click();
      expect(await page.locator('th[data-column="probability"]').getAttribute('aria-sort')).toBe('ascending');
      await page.locator('#evaluate-table tbody button').first().click();
      await page.waitForFunction(() => /^8\//.test(document.querySelector('#image-name')!.textContent!));
      expect(await visit.axe()).toEqual([]);
      const saved = async (button: string) => {
        const [download] = await Promise.all([page.waitForEvent('download'), page.locator(button).click()]);
        return readFile((await download.path())!, 'utf8');
      };
      expect((await saved('#evaluate-csv')).split('\n').length).toBe(7);
      const report = await saved('#evaluate-report');
      expect(report).toMatch(/<h1>Digits<\/h1>/);
      expect(report).toMatch(/Worst mistakes/);
      expect(report).toMatch(
        /beside it, the attention of the class token in the last layer, mean of the heads/,
      );
      // The one mistake: as the model sees it, and with its attention.
      const images = [...report.matchAll(/<img src="(data:image\/jpeg;base64,[^"]+)"/g)].map(
        ([, url]) => url!,
      );
      expect(new Set(images).size).toBe(2);
      for (const url of images) {
        const { width, height } = await sharp(Buffer.from(url.split(',')[1]!, 'base64')).metadata();
        expect([width, height]).toEqual([224, 224]);
      }
      // The canvas still shows what it showed.
      expect(await visit.text('#image-name')).toMatch(/^8\//);
    });
  });
});
