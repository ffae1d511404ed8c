/** The page of `deit eval --report` in Chromium: readable for everyone in light and dark, and alone. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AxeResults } from 'axe-core';
import type { Browser } from 'playwright-core';
import { describeInBrowser, launchChromium } from './chromium.js';
import { watchErrors } from './page.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const DIGITS = ['examples/digits/deit_digits_distilled.pth', 'examples/digits/val'];

describeInBrowser('the report of an evaluation', () => {
  let folder: string;
  let report: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deit-report-'));
    report = join(folder, 'report.html');
    await promisify(execFile)(process.execPath, [
      'dist/src/cli/deit.js',
      'eval',
      ...DIGITS,
      '--report',
      report,
    ]);
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test.each(['light', 'dark'] as const)('%s, wide and as a phone', async (colorScheme) => {
    const page = await browser.newPage({ colorScheme });
    const errors = watchErrors(page);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(pathToFileURL(report).href);
    for (const width of [1200, 390]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
    // 7/8 of their 28 pixels reach the model.
    await page.locator('.mistakes img').first().scrollIntoViewIfNeeded();
    expect(
      await page
        .locator('.mistakes img:first-child')
        .evaluateAll((all) => all.map((img) => (img as HTMLImageElement).naturalWidth)),
    ).toEqual([24, 24, 24]);
    const filter = page.locator('input[data-filters="mistakes"]');
    await filter.fill('instead of 3');
    expect(await page.locator('.mistakes li:visible').count()).toBe(1);
    await filter.fill('');
    expect(await page.locator('.mistakes li:visible').count()).toBe(3);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    await page.evaluate(await readFile(AXE, 'utf8'));
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
    );
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    expect(asked.filter((url) => !url.startsWith('data:'))).toEqual([pathToFileURL(report).href]);
    expect(errors).toEqual([]);
    await page.close();
  });

  test('printed it fills its pages, and the colours of its legends stay', async () => {
    const page = await browser.newPage();
    await page.goto(pathToFileURL(report).href);
    const pdf = (await page.pdf({ format: 'A4' })).toString('latin1');
    expect(pdf.match(/\/Type \/Page\b/g)).toHaveLength(2);
    await page.emulateMedia({ media: 'print' });
    const kept = await page
      .locator('.key, .swatch, .stages span')
      .evaluateAll((all) => all.map((element) => getComputedStyle(element).printColorAdjust));
    expect(new Set(kept)).toEqual(new Set(['exact']));
    // No figure is broken from its sign.
    const heights = await page
      .locator('.votes .n')
      .evaluateAll((all) => all.map((element) => element.getClientRects().length));
    expect(new Set(heights)).toEqual(new Set([1]));
    await page.close();
  });
});
