/** The page in web/: classes of one's own, models that the cache holds, the tensors of a checkpoint. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { load, parseCheckpoint } from '../../src/node/index.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { CHECKPOINT, convertedDigits, sends } from './servedModel.js';
import { startServer, type TestServer } from './server.js';
import { builtPage, openVisit, type Visit } from './visit.js';

const VAL = 'examples/digits/val';
/** A checkpoint with no vision transformer in it. */
const OTHER = 'test/fixtures/checkpoints/bare.zip.pth';

let folder: string;
let browser: Browser;
let server: TestServer;
let page: Page;
let visit: Visit;
let errors: string[];

async function openPage(address = ''): Promise<void> {
  const url = `${server.url}/page/index.html${address}`;
  ({ page, visit, errors } = await openVisit(browser, url, { viewport: { width: 1366, height: 768 } }));
  await visit.answered('digit 3, number 18');
}

/** Nothing is too wide for a phone, and axe finds nothing there, in light and dark. */
async function expectFine(): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    expect(await visit.axe()).toEqual([]);
  }
  await page.setViewportSize({ width: 1366, height: 768 });
}

/** Class `place` of the panel. */
const row = (place: number) => page.locator('#classes li').nth(place);

async function name(place: number, text: string): Promise<void> {
  await row(place).locator('input').fill(text);
}

async function choose(place: number, files: readonly string[]): Promise<void> {
  await row(place).locator('button', { hasText: 'Images' }).click();
  await page.locator('#example-input').setInputFiles([...files]);
}

async function digitFiles(digit: number, count: number): Promise<string[]> {
  const names = (await readdir(`${VAL}/${digit}`)).sort();
  return names.slice(0, count).map((file) => `${VAL}/${digit}/${file}`);
}

async function saved(button: string): Promise<Buffer> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator(button).click()]);
  return readFile((await download.path())!);
}

describeInBrowser('the page, with models of one’s own', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deit-own-'));
    const checkpoint = await readFile(CHECKPOINT);
    const routes: Record<string, ReturnType<typeof sends>> = {
      '/mine.pth': sends(checkpoint, () => '"1"'),
      '/other.pth': sends(await readFile(OTHER)),
    };
    for (const [file, bytes] of await convertedDigits()) {
      routes[`/models/digits/${file}`] = sends(bytes, () => '"1"');
    }
    server = await startServer({ folders: { '/page': await builtPage() }, routes });
    browser = await launchChromium(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
  });
  afterEach(async () => {
    expect(errors).toEqual([]);
    await page.close();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('classes are learnt from files and from the camera, and saved as a checkpoint', async () => {
    await openPage();
    const state = () => visit.text('#classes-state');
    expect(await state()).toBe('Class 1 has no image yet.');
    await name(0, 'seven');
    await choose(0, await digitFiles(7, 10));
    await name(1, 'seven');
    await choose(1, await digitFiles(3, 9));
    expect(await state()).toBe('Two classes have the same name.');
    expect(await page.locator('#train-classes').isDisabled()).toBe(true);
    await name(1, 'three');
    // The image on the canvas is a three; it is taken once.
    for (let i = 0; i < 2; i++) await row(1).locator('.add-shown').click();
    expect(await row(1).locator('.count').innerText()).toBe('10 images');
    await page.locator('#add-class').click();
    await name(2, 'the camera’s');
    expect(await state()).toBe('the camera’s has no image yet.');
    await page.locator('#camera').click();
    await visit.answered('Camera');
    for (let count = 1; count <= 5; count++) {
      await row(2).locator('button', { hasText: 'Add this frame' }).press('Enter');
      await page.waitForFunction(
        (wanted) => document.querySelector('#classes li:last-child .count')!.textContent!.startsWith(wanted),
        `${count} image`,
      );
    }
    await page.locator('#camera').click();
    await visit.answered('digit 3, number 18');
    expect(await visit.axe()).toEqual([]);

    await page.locator('#train-classes').click();
    await visit.modelIs('seven, three, the camera’s');
    await visit.answered('digit 3, number 18');
    expect(await visit.text('#model-facts')).toContain('3 classes');
    expect(await visit.text('#classes-accuracy')).toMatch(
      /^Learnt from 25 images of 3 classes in .* named 100.0 % of those rightly \(5 of 5; 95 %: 57–100\)\.$/,
    );
    const shown = await visit.predictions();
    expect(shown[0]![0]).toBe('three');
    await expectFine();

    const bytes = await saved('#save-classes');
    const { format, tensors } = await parseCheckpoint(bytes);
    expect([format, tensors.get('head.weight')!.shape]).toEqual(['safetensors', [3, 64]]);
    // The file says what the page says, and its trunk is the one that the page had.
    const before = await parseCheckpoint(await readFile(CHECKPOINT));
    const trunk = 'blocks.3.mlp.fc2.weight';
    expect(await tensors.get(trunk)!.read()).toEqual(await before.tensors.get(`model.${trunk}`)!.read());
    const model = await load(new Uint8Array(bytes), { backend: 'wasm' });
    const [first] = await model.classify(`${VAL}/3/00018.png`, { topK: 3 });
    expect(first!.label).toBe('three');
    expect(shown[0]![1]).toBe(`${(100 * first!.probability).toFixed(1)} %`);
    const [seven] = await model.classify(`${VAL}/7/00370.png`, { topK: 1 });
    expect(seven!.label).toBe('seven');
    model.dispose();
  });

  test('class folders are taken for classes; what cannot be read is named and left out', async () => {
    const set = join(folder, 'set');
    for (const digit of [0, 1]) {
      await mkdir(join(set, `digit ${digit}`), { recursive: true });
      for (const [i, file] of (await digitFiles(digit, 3)).entries())
        await writeFile(join(set, `digit ${digit}`, `${i}.png`), await readFile(file));
    }
    await writeFile(join(set, 'digit 1', 'broken.png'), 'no image');
    await openPage();
    expect(await page.locator('#use-folders').isVisible()).toBe(false);
    await page.locator('#class-folder-input').setInputFiles(set);
    await visit.told(/broken.png/);
    await visit.dismissAll();
    await page.locator('#use-folders').click();
    expect(await row(1).locator('input').inputValue()).toBe('digit 1');
    expect(await row(1).locator('.count').innerText()).toBe('4 images');
    await page.locator('#train-classes').click();
    await visit.told(/1 of 7 examples are left out\s+.*not an image/);
    await visit.modelIs('digit 0, digit 1');
    expect(await visit.text('#classes-accuracy')).toMatch(
      /^Learnt from 6 images .* a fifth would be held out/,
    );
  });

  test('a training is stopped, and the model stays', async () => {
    await openPage();
    await choose(0, await digitFiles(7, 40));
    await choose(1, await digitFiles(3, 40));
    await page.locator('#train-classes').click();
    expect(await visit.text('#train-classes')).toBe('Stop');
    await page.locator('#train-classes').click();
    await page.waitForFunction(() => document.querySelector('#train-classes')!.textContent === 'Train');
    expect(await visit.text('#announcer')).toBe('Training stopped');
    await visit.modelIs('Digits');
    await row(1).locator('button', { hasText: 'Remove' }).click();
    expect(await page.locator('#classes li').count()).toBe(1);
    expect(await visit.text('#classes-state')).toBe('At least two classes are needed.');
    // Class 2 is what is left: the new one is not called so.
    await name(0, 'Class 2');
    await page.locator('#add-class').click();
    expect(await row(1).locator('input').inputValue()).toBe('Class 3');
    await visit.press('digit 0, number 3');
    await visit.answered('digit 0, number 3');
  });

  test('what the cache holds is offered after a reload, and is forgotten when asked', async () => {
    await openPage();
    await visit.openPanel();
    expect(await page.locator('#recents').isHidden()).toBe(true);
    await visit.openUrl(`${server.url}/mine.pth`);
    await visit.modelIs('mine.pth');
    await visit.openUrl(`${server.url}/models/digits/`);
    await visit.modelIs('digits');
    // Not by another #: the page may write its state there again before it is loaded anew.
    await page.goto('about:blank');
    await page.goto(`${server.url}/page/index.html`);
    await visit.answered('digit 3, number 18');
    await visit.modelIs('Digits');
    await visit.openPanel();
    const recents = page.locator('#recent-list button');
    await recents.first().waitFor();
    expect(await recents.allInnerTexts()).toEqual(['digits 0.9 MB', 'mine.pth 0.9 MB']);
    await expectFine();
    const asked = server.requests.length;
    await recents.first().click();
    await visit.modelIs('digits');
    await visit.answered('digit 3, number 18');
    await visit.expectPytorchs('3/00018.png');
    // Each file is asked about once (HEAD), and none is sent again: the weights come from the cache.
    expect(server.requests.slice(asked).filter((path) => path.startsWith('/models/')).length).toBe(2);
    await visit.openPanel();
    await page.locator('#forget').click();
    await page.locator('#recents').waitFor({ state: 'hidden' });
  });

  test('every table and image is saved', async () => {
    await openPage();
    const sizeOf = async (button: string) => {
      const { format, width, height } = await sharp(await saved(button)).metadata();
      return [format, width, height];
    };
    const sheet = await page
      .locator('#head-sheet')
      .evaluate((canvas: HTMLCanvasElement) => [canvas.width, canvas.height]);
    const scale = Math.floor(1024 / Math.max(...sheet));
    expect(scale).toBeGreaterThan(1);
    expect(await sizeOf('[data-canvas="head-sheet"]')).toEqual(['png', ...sheet.map((side) => side * scale)]);
    await page.locator('#measure').click();
    await page.locator('#measurements tbody tr').waitFor();
    const cells = await page.locator('#measurements tbody tr').first().locator('th, td').allInnerTexts();
    const [head, line] = String(await saved('[data-table="measurements"]')).split('\n');
    expect(head).toBe('"Model","Backend","Median","Fastest","Images/s"');
    expect(line).toBe(cells.map((cell) => `"${cell}"`).join(','));
    await page.locator('#keep-model').click();
    await visit.openUrl(`${server.url}/mine.pth`);
    await visit.modelIs('mine.pth');
    await page.locator('#compare-results').waitFor();
    const csv = String(await saved('[data-table="compare-table"]')).split('\n');
    expect(csv.slice(0, 2)).toEqual(['"Class","mine.pth","Digits"', '"3","97.9 %","97.9 %"']);
    expect(await sizeOf('[data-canvas="compare-map-difference"]')).toEqual(['png', 1024, 1024]);
    expect(await visit.axe()).toEqual([]);
  });

  test('the tensors of a checkpoint are listed with the spread of their values', async () => {
    await openPage();
    await page.locator('#tensors-panel summary').click();
    const rows = page.locator('#tensors-table tbody tr');
    await rows.first().waitFor();
    expect(await visit.text('#tensors-of')).toBe('Of the checkpoint (zip)');
    const { tensors } = await parseCheckpoint(await readFile(CHECKPOINT));
    expect(await rows.count()).toBe(tensors.size);
    await page.locator('#tensors-filter').fill('blocks.1.mlp.fc1.w');
    expect(await rows.count()).toBe(1);
    await page.waitForFunction(
      () => document.querySelector('#tensors-table tbody td:last-child')!.textContent,
    );
    const cells = await rows.first().locator('th, td').allInnerTexts();
    const values = await tensors.get('model.blocks.1.mlp.fc1.weight')!.read();
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    const figures = [Math.min(...values), Math.max(...values), mean, deviation].map((value) =>
      value.toPrecision(3),
    );
    expect(cells).toEqual(['model.blocks.1.mlp.fc1.weight', '256 × 64', 'float32', '', ...figures]);
    const ink = await page.locator('.spread').evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    });
    expect(ink).toBeGreaterThan(200);
    await expectFine();
    const csv = String(await saved('#tensors-csv'))
      .trim()
      .split('\n');
    expect(csv).toHaveLength(tensors.size + 1);
    expect(csv).toContain('"model.head_dist.weight",10x64,float32');
    // A converted folder has no checkpoint: its weights are the model's.
    await page.locator('#tensors-filter').fill('');
    await visit.openUrl(`${server.url}/models/digits/`);
    await visit.modelIs('digits');
    await page.waitForFunction(
      () => document.querySelector('#tensors-of')!.textContent === 'Of the model, as it computes',
    );
    expect(await rows.first().locator('th').innerText()).not.toMatch(/^model\./);
  });

  test('a checkpoint that is no model for the page has its tensors listed, as those of that file', async () => {
    await openPage();
    await visit.drop([{ name: 'other.pth', url: '/other.pth' }]);
    await visit.told(/other\.pth could not be loaded/);
    await page.locator('#messages button', { hasText: 'List its tensors' }).click();
    const of = (text: string) =>
      page.waitForFunction((wanted) => document.querySelector('#tensors-of')!.textContent === wanted, text);
    await of('Of the checkpoint (zip) other.pth, which is not the model that is loaded');
    const { tensors } = await parseCheckpoint(await readFile(OTHER));
    const names = await page.locator('#tensors-table tbody th').allInnerTexts();
    expect(names).toEqual([...tensors.keys()]);
    await page.waitForFunction(
      () => document.querySelector('#tensors-table tbody td:last-child')!.textContent,
    );
    await visit.modelIs('Digits');
    await visit.openUrl(`${server.url}/mine.pth`);
    await visit.modelIs('mine.pth');
    await of('Of the checkpoint (zip)');
  });
});
