// usage: node shot.mjs out-prefix [views...]
import { preview } from 'vite';
import { launchChromium } from '/tmp/wt/page/dist/test/browser/launch.js';

const [prefix, ...views] = process.argv.slice(2);
const V = {
  a: { viewport: { width: 1280, height: 800 } },
  b: { viewport: { width: 1366, height: 768 } },
  p: { viewport: { width: 390, height: 844 } },
  z: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
  h: { viewport: { width: 1366, height: 768 }, forcedColors: 'active', colorScheme: 'dark' },
  d: { viewport: { width: 1366, height: 768 }, colorScheme: 'dark' },
};
const server = await preview({
  configFile: '/tmp/wt/page/web/vite.config.mjs',
  preview: { port: 0, host: '127.0.0.1' },
});
const browser = await launchChromium();
try {
  for (const v of views) {
    const page = await browser.newPage({ ...V[v], reducedMotion: 'reduce' });
    page.on('console', (m) => console.log(v, m.type(), m.text()));
    page.on('pageerror', (e) => console.log(v, 'ERR', e.message));
    const t = Date.now();
    await page.goto(server.resolvedUrls.local[0]);
    await page
      .waitForFunction(() => document.querySelectorAll('#guesses li, #predictions li').length > 0, null, {
        timeout: 30000,
      })
      .catch((e) => console.log(e.message));
    console.log(v, Date.now() - t, 'ms; scrollY', await page.evaluate(() => scrollY));
    if (process.env.ACT) {
      await page.evaluate(process.env.ACT);
    }
    await page.waitForTimeout(800);
    await page.screenshot({ path: `${prefix}-${v}.png`, fullPage: !!process.env.FULL });
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}
process.exit(0);
