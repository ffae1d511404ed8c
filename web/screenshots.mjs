/**
 * Takes the images of the page that stand in docs/: `npm run web:screenshots`, with Chromium as the browser tests
 * find it.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { preview } from 'vite';
import { launchChromium } from '../dist/test/browser/launch.js';

const digits = fileURLToPath(new URL('../examples/digits/val/', import.meta.url));
const docs = fileURLToPath(new URL('../docs/screenshots/', import.meta.url));

const LAPTOP = { viewport: { width: 1366, height: 768 } };
/** @type {Record<string, import('playwright-core').BrowserContextOptions>} */
const VIEWS = {
  light: { ...LAPTOP, colorScheme: 'light' },
  dark: { ...LAPTOP, colorScheme: 'dark' },
  contrast: { ...LAPTOP, colorScheme: 'dark', forcedColors: 'active' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', deviceScaleFactor: 2 },
};

const configFile = fileURLToPath(new URL('./vite.config.mjs', import.meta.url));
const server = await preview({ configFile, preview: { port: 0, host: '127.0.0.1' } });
const browser = await launchChromium();
await mkdir(docs, { recursive: true });
try {
  for (const [name, options] of Object.entries(VIEWS)) {
    const page = await browser.newPage({ ...options, reducedMotion: 'reduce' });
    await page.goto(server.resolvedUrls.local[0]);
    await answered(page, 'digit 3, number 18');
    // A digit about which the heads disagree, and the layer that shows most of it.
    await page.locator('#strip button[aria-label="digit 8, number 435"]').click();
    await answered(page, 'digit 8, number 435');
    await page.locator('[aria-label="layer 2, mean of the heads"]').click();
    await page.locator('h1').click(); // takes the focus away
    await page.evaluate(() => scrollTo(0, 0));
    await take(page, name);
    if (name === 'light') {
      await learnClasses(page);
      await take(page, 'classes');
    }
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}

async function take(page, name) {
  const png = await page.screenshot();
  await sharp(png).png({ palette: true, colours: 160, effort: 10 }).toFile(`${docs}page-${name}.png`);
  console.log(`docs/screenshots/page-${name}.png`);
}

/** Learns two classes of digits, and shows the panel with the image beside it. */
async function learnClasses(page) {
  for (const [place, digit] of [7, 3].entries()) {
    const row = page.locator('#classes li').nth(place);
    await row.locator('input').fill(['seven', 'three'][place]);
    await row.locator('button', { hasText: 'Images' }).click();
    const folder = `${digits}${digit}/`;
    const files = (await readdir(folder)).sort().slice(0, 20);
    await page.locator('#example-input').setInputFiles(files.map((file) => folder + file));
  }
  await page.locator('#train-classes').click();
  await page.waitForFunction(() => document.querySelector('#model-name').textContent === 'seven, three');
  await page.locator('#strip button[aria-label="digit 3, number 18"]').click();
  await answered(page, 'digit 3, number 18');
  await page.locator('#classes-panel').evaluate((panel) => panel.scrollIntoView({ block: 'end' }));
}

async function answered(page, image) {
  await page.waitForFunction(
    (wanted) =>
      document.querySelector('#image-name').textContent === wanted &&
      document.querySelector('#predictions-state').textContent === '' &&
      !document.getElementById('heat').hidden,
    image,
  );
}
