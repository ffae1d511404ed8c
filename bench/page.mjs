/**
 * The page of web/ in Chromium: the time from opening it to the first answer with a cold cache, how long its thread is
 * blocked while it is used, and its memory over 100 photographs.
 *
 *     npm run web:build && node bench/page.mjs [--runs 7] [--model deit_small_patch16_224] [--images 100] [--swiftshader]
 *
 * Chromium starts as it does for a visitor: with no flag of graphics. With --swiftshader it starts as the tests start it,
 * with a GPU that the processor simulates: each frame of the page is then drawn by the cores that compute the answer.
 *
 * Served as `deit web` serves it. The least of the runs is what the page needs; what is above it, other work on the
 * machine has taken: the load is printed. Memory is the proportional set size (PSS) of Chromium's renderer, in which page
 * and workers run. The model of that part has fresh weights, as only their number matters.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import * as deit from '../dist/src/node/index.js';
import { serveFolders } from '../dist/src/node/web/staticServer.js';
import { findChromium, launchChromium } from '../dist/test/browser/launch.js';
import { describeMachine } from './lib/machine.mjs';
import { median } from './lib/race.mjs';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '7' },
    model: { type: 'string', default: 'deit_small_patch16_224' },
    images: { type: 'string', default: '100' },
    swiftshader: { type: 'boolean', default: false },
  },
});
const runs = Number(options.runs);

/** Waits in the page, frame by frame, so that the waiting itself costs nothing. */
function answered(page, name) {
  return page.waitForFunction(
    (wanted) =>
      document.querySelector('#image-name').textContent === wanted &&
      document.querySelector('#predictions-state').textContent === '' &&
      document.querySelectorAll('#predictions li').length > 0 &&
      !document.getElementById('heat').hidden,
    name,
    { timeout: 120_000 },
  );
}

/** A page in a context of its own: nothing is cached. */
async function open() {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 } });
  const page = await context.newPage();
  await page.addInitScript(() => {
    globalThis.blocked = [];
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) globalThis.blocked.push(duration);
    }).observe({ type: 'longtask', buffered: true });
    // From the start of the navigation to the first frame that shows an answer.
    const watch = () => {
      if (document.querySelector('#predictions li')) globalThis.first = performance.now();
      else requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
  });
  await page.goto(server.url, { waitUntil: 'commit' });
  return { context, page };
}

async function firstAnswer() {
  const [times, spent, blocks, loads] = [[], [], [], []];
  for (let run = 0; run < runs; run++) {
    loads.push(loadavg()[0]);
    const before = await processorTime();
    const { context, page } = await open();
    await answered(page, 'digit 3, number 18');
    spent.push((await processorTime()) - before);
    const { first, blocked } = await page.evaluate(() => ({
      first: globalThis.first,
      blocked: globalThis.blocked,
    }));
    times.push(first);
    blocks.push(Math.max(0, ...blocked));
    await context.close();
  }
  const leastAndMedian = (values) => `least ${ms(Math.min(...values))}, median ${ms(median(values))}`;
  console.log(
    `first answer, cold cache, ${runs} runs: ${leastAndMedian(times)}; processor time of all of Chromium: ` +
      `${leastAndMedian(spent)}; longest block of the page's thread meanwhile: ${leastAndMedian(blocks)}; ` +
      `load ${Math.min(...loads).toFixed(1)}–${Math.max(...loads).toFixed(1)}`,
  );
}

/** What a visitor does, each a step of which the longest block is taken. */
const STEPS = {
  'another image': async (page) => {
    await page.locator('#strip button').nth(3).click();
    await answered(page, 'digit 8, number 435');
    await page.locator('#strip button').nth(0).click();
    await answered(page, 'digit 3, number 18');
  },
  'layers and heads': async (page) => {
    await page.locator('[role="gridcell"][tabindex="0"]').focus();
    for (const key of ['ArrowRight', 'ArrowUp', 'ArrowRight', 'ArrowDown']) await page.keyboard.press(key);
  },
  'every map': async (page) => {
    for (const show of ['rollout', 'relevance', 'similarity', 'colors', 'attention']) {
      await page.locator(`input[name="show"][value="${show}"]`).check({ force: true });
      await page.waitForTimeout(100);
    }
  },
  'patches under the pointer': async (page) => {
    await page.locator('input[value="patch"]').check({ force: true });
    const box = await page.locator('#stage').boundingBox();
    for (let i = 1; i < 10; i++)
      await page.mouse.move(box.x + (i * box.width) / 10, box.y + (i * box.height) / 10);
    await page.locator('input[value="cls"]').check({ force: true });
  },
  erasing: async (page) => {
    await page.locator('#erasing').check();
    const box = await page.locator('#stage').boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height - 20, { steps: 8 });
    await page.mouse.up();
    await page.waitForTimeout(200);
    await page.locator('#restore').click();
    await page.locator('#erasing').uncheck();
  },
  'tensors listed': async (page) => {
    await page.locator('#tensors-panel summary').click();
    await page.locator('#tensors-table tbody tr').first().waitFor();
    await page.waitForTimeout(200);
    await page.locator('#tensors-panel summary').click();
  },
  'a model loaded': async (page) => {
    await page.locator('#change-model').click();
    await page.locator('#use-digits').click();
    await page.waitForFunction(() => document.getElementById('loading').hidden);
    await answered(page, 'digit 3, number 18');
  },
};

async function use() {
  const longest = new Map(Object.keys(STEPS).map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    const { context, page } = await open();
    await answered(page, 'digit 3, number 18');
    for (const [name, act] of Object.entries(STEPS)) {
      await page.evaluate(() => globalThis.blocked.splice(0));
      await act(page);
      await page.waitForTimeout(100);
      const blocked = await page.evaluate(() => globalThis.blocked.splice(0));
      longest.get(name).push(Math.max(0, ...blocked));
    }
    await context.close();
  }
  for (const [name, blocks] of longest) {
    console.log(
      `blocked by ${name}: least ${block(Math.min(...blocks))}, most ${block(Math.max(...blocks))}`,
    );
  }
}

async function photographs() {
  const count = Number(options.images);
  const model = deit.createModel(options.model);
  const chunks = [];
  for await (const chunk of await deit.exportStateDict(model)) chunks.push(chunk.slice());
  model.dispose();
  await writeFile(join(folder, 'model.safetensors'), Buffer.concat(chunks));
  for (let i = 0; i < count; i++) await writeFile(join(folder, `${i}.jpg`), await photograph(i));
  const { context, page } = await open();
  await answered(page, 'digit 3, number 18');
  await page.locator('#change-model').click();
  await page.locator('#url').fill(`${server.url}given/model.safetensors`);
  await page.locator('#url-form button').click();
  await page.waitForFunction(() => document.querySelector('#model-name').textContent === 'model.safetensors');
  await page
    .locator('#image-input')
    .setInputFiles(Array.from({ length: count }, (_, i) => join(folder, `${i}.jpg`)));
  const sizes = [];
  for (let i = 0; i < count; i++) {
    await page
      .locator(`#strip button[aria-label="${i}.jpg"]`)
      .evaluate((/** @type {HTMLElement} */ button) => button.click());
    await answered(page, `${i}.jpg`);
    if ((i + 1) % 10 === 0) sizes.push([i + 1, await rendererMegabytes()]);
  }
  console.log(`memory with ${options.model}, photographs of 12 megapixels, MB after so many:`);
  console.log(sizes.map(([images, size]) => `${images}: ${size}`).join('  '));
  await context.close();
}

/** A JPEG of 12 megapixels, each another. */
function photograph(seed) {
  const [width, height] = [4000, 3000];
  const small = Buffer.from(
    Array.from({ length: 3 * 40 * 30 }, (_, i) => (i * (seed + 7) * 2654435761) >>> 24),
  );
  return sharp(small, { raw: { width: 40, height: 30, channels: 3 } })
    .resize(width, height, { kernel: 'cubic' })
    .jpeg({ quality: 85 })
    .toBuffer();
}

/** Processes that this one has started, and those that they have: their ids and arguments. */
async function ourProcesses() {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid,ppid,args']);
  const rows = stdout
    .split('\n')
    .slice(1)
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter(Boolean);
  const parents = new Map(rows.map(([, pid, parent]) => [pid, parent]));
  const isOurs = (pid) => pid !== undefined && (pid === String(process.pid) || isOurs(parents.get(pid)));
  return rows
    .filter(([, pid, parent]) => isOurs(parent) && pid !== parent)
    .map(([, pid, , args]) => ({ pid, args }));
}

/** Of all of this Chromium's renderers, together. */
async function rendererMegabytes() {
  let total = 0;
  for (const { pid, args } of await ourProcesses()) {
    if (!args.includes('--type=renderer')) continue;
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
    total += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return Math.round(total / 1000);
}

/** Processor time of all of this Chromium so far, in ms: what other programs do does not change it. */
async function processorTime() {
  let ticks = 0;
  for (const { pid } of await ourProcesses()) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // After the name in brackets: state is field 3, utime and stime are 14 and 15 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields.length > 12) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return 10 * ticks;
}

function ms(value) {
  return `${Math.round(value)} ms`;
}

/** Chromium tells of blocks of more than 50 ms. */
function block(value) {
  return value === 0 ? 'never more than 50 ms' : ms(value);
}

console.log(describeMachine());
const folder = await mkdtemp(join(tmpdir(), 'deit-bench-page-'));
const server = await serveFolders({ '/lib/': 'dist/browser', '/given/': folder, '/': 'web/dist' }, 0);
const browser = options.swiftshader
  ? await launchChromium()
  : await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] });
try {
  await firstAnswer();
  await use();
  await photographs();
} finally {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
}
