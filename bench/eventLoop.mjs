/**
 * The event loop's delays while classify, logits and embed are called 100 times at once with images of many kinds and
 * sizes, among them some of 12 megapixels. The goal is at most 20 ms.
 *
 *     npm run build && node bench/eventLoop.mjs [--model tiny] [--calls 100] [--here]
 *
 * --here prepares all images in the calling thread, for comparison.
 */
import { openSync, readSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { setImagePreparer } from '../dist/src/models/classify.js';
import * as deit from '../dist/src/node/index.js';
import { describeMachine } from './lib/machine.mjs';
import { writeLayers } from './lib/modelFiles.mjs';
import { table } from './lib/results.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'tiny' },
    calls: { type: 'string', default: '100' },
    here: { type: 'boolean', default: false },
  },
});
const machine = describeMachine();
const calls = Number(options.calls);
if (options.here) setImagePreparer(() => undefined);

/** Pixels that compress as a photograph's do. */
async function photo(width, height) {
  const noise = Uint8Array.from({ length: 96 * 72 * 3 }, (_, i) => (i * i * 31 + i * 7) & 255);
  const pipeline = sharp(noise, { raw: { width: 96, height: 72, channels: 3 } });
  const { data } = await pipeline
    .resize(width, height, { fit: 'fill' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width, height };
}

const encode = ({ data, width, height }) => sharp(data, { raw: { width, height, channels: 3 } });

/** Images of every kind, by turns. */
async function makeImages(folder) {
  const [huge, large, middle] = [await photo(4000, 3000), await photo(1600, 1200), await photo(500, 375)];
  const at = (name) => join(folder, name);
  await encode(huge).png({ compressionLevel: 2 }).toFile(at('huge.png'));
  await encode(huge).jpeg().toFile(at('huge.jpg'));
  await encode(large).png().toFile(at('large.png'));
  await encode(large).tiff({ compression: 'lzw' }).toFile(at('large.tif'));
  await encode(large).webp().toFile(at('large.webp'));
  await encode(large).gif().toFile(at('large.gif'));
  await encode(middle).jpeg().toFile(at('middle.jpg'));
  await encode(middle).png().toFile(at('middle.png'));
  const head = Buffer.from(`P6 ${large.width} ${large.height} 255\n`);
  await writeFile(at('large.ppm'), Buffer.concat([head, large.data]));
  const files = ['large.png', 'large.tif', 'large.webp', 'large.gif', 'large.ppm'];
  const small = ['middle.jpg', 'middle.png', 'middle.jpg', 'middle.jpg'];
  const some = [...files, ...small].map(at);
  const images = Array.from({ length: calls }, (_, i) => (i % 10 === 9 ? middle : some[i % some.length]));
  images.splice(0, 3, at('huge.png'), at('huge.jpg'), huge);
  return images;
}

/** Processor time of the main thread in ms, where the system tells it (Linux): what it waits for a core is not in it. */
function openClock() {
  try {
    const file = openSync('/proc/self/schedstat', 'r');
    const text = Buffer.alloc(100);
    return () => Number(text.toString('latin1', 0, readSync(file, text, 0, 100, 0)).split(' ')[0]) / 1e6;
  } catch {
    return () => Number.NaN;
  }
}
const clock = openClock();

/** The longest that the main thread computes between two turns of a timer, in ms. */
function watchTurns() {
  let [longest, last] = [0, clock()];
  const timer = setInterval(() => {
    const now = clock();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

async function measure(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await setTimeout(10);
  delay.reset();
  const stop = watchTurns();
  const start = performance.now();
  await work();
  const time = performance.now() - start;
  await setTimeout(2);
  delay.disable();
  return { time, longest: delay.max / 1e6, most: delay.percentile(99) / 1e6, computing: stop() };
}

const folder = await mkdtemp(join(tmpdir(), 'deit-bench-'));
try {
  (await writeLayers(join(folder, 'layers'), options.model)).model.dispose();
  const images = await makeImages(folder);
  const model = await deit.load(join(folder, 'layers'), { backend: 'wasm' });
  const row = ({ time, ...delays }) => [time.toFixed(0), ...Object.values(delays).map((ms) => ms.toFixed(1))];
  const rows = [];
  // The first call of each starts threads and lays out its program.
  for (const method of ['classify', 'logits', 'embed']) {
    rows.push([`first ${method}`, ...row(await measure(() => model[method](images[8])))]);
    const together = () => Promise.all(images.map((image) => model[method](image)));
    rows.push([`${calls} × ${method}`, ...row(await measure(together))]);
    rows.push([`${method} of a list of ${calls}`, ...row(await measure(() => model[method](images)))]);
  }
  model.dispose();
  console.log(`${machine}\ndeit_${options.model}_patch16_224${options.here ? ', all in one thread' : ''}\n`);
  console.log(
    table(['', 'time, ms', 'longest delay, ms', '99 % below, ms', 'of it computing at most, ms'], rows),
  );
} finally {
  await rm(folder, { recursive: true });
}
process.exit(0);
