/**
 * Takes the pictures of the page that stand in docs/: `npm run web:screenshots`, with Chromium as the browser tests
 * find it.
 */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { preview } from 'vite';
import { launchChromium } from '../dist/test/browser/launch.js';

const docs = fileURLToPath(new URL('../docs/screenshots/', import.meta.url));

const VIEWS = {
  light: { viewport: { width: 1180, height: 800 }, colorScheme: 'light' },
  dark: { viewport: { width: 1180, height: 800 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light' },
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
    await page.locator('#layer').fill('2');
    await page.locator('#measure').click();
    await page.locator('#measurements tbody tr').waitFor();
    await page.locator('h1').click(); // takes the focus away
    const png = await page.screenshot({ fullPage: true });
    await sharp(png).png({ palette: true, colours: 160, effort: 10 }).toFile(`${docs}page-${name}.png`);
    console.log(`docs/screenshots/page-${name}.png`);
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}

async function answered(page, picture) {
  await page.waitForFunction(
    (wanted) =>
      document.querySelector('#picture-name').textContent === wanted &&
      document.querySelector('#answer-state').textContent === '' &&
      !document.querySelector('#heat').hidden,
    picture,
  );
}
