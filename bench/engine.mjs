/**
 * The WASM engine at work: 100 calls at once against one batch of 100, the event loop's longest delay meanwhile, peak
 * memory, and how one image's time falls with the number of threads.
 *
 *     npm run build && node bench/engine.mjs [--models tiny,base] [--threads N] [--calls 100] [--quantize int8]
 *
 * Node 24 and later compute with 256 bits. A model is a process of its own, so that memory can be told apart.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openEngine } from './contenders/oursEngine.mjs';
import { describeMachine } from './lib/machine.mjs';
import { writeLayers } from './lib/modelFiles.mjs';
import { makeImages } from './lib/models.mjs';
import { peakMegabytes } from './lib/peakMemory.mjs';
import { table } from './lib/results.mjs';

const SIZE = 224;
const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'tiny,base' },
    threads: { type: 'string', default: String(availableParallelism()) },
    calls: { type: 'string', default: '100' },
    quantize: { type: 'string' },
    folder: { type: 'string' },
  },
});

const least = async (work, times) => {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await work();
    best = Math.min(best, performance.now() - start);
  }
  return best;
};

/** Figures of one model, in this process. */
async function measure(folder) {
  const { quantize } = options;
  const threads = Number(options.threads);
  const calls = Number(options.calls);
  const start = performance.now();
  const engine = await openEngine({ folder, size: SIZE, threads, quantize });
  const load = performance.now() - start;
  const image = makeImages(1, SIZE);
  const images = new Float32Array(calls * image.length);
  for (let i = 0; i < calls; i++) images.set(image, i * image.length);
  await engine.run(image, 1);
  const one = await least(() => engine.run(image, 1), 10);
  const batch = await least(() => engine.run(images, calls), 2);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const together = await least(
    () => Promise.all(Array.from({ length: calls }, () => engine.run(image, 1))),
    2,
  );
  delay.disable();
  engine.dispose();
  const scaling = [];
  for (let count = 1; count <= threads; count *= 2) {
    const other = await openEngine({ folder, size: SIZE, threads: count, quantize });
    await other.run(image, 1);
    scaling.push(`${count}: ${(await least(() => other.run(image, 1), 10)).toFixed(1)}`);
    other.dispose();
  }
  const { description, memoryBytes } = engine;
  return {
    description,
    memoryBytes,
    load,
    one,
    batch,
    together,
    delay: delay.max / 1e6,
    peak: peakMegabytes(),
    scaling,
  };
}

/** The same in a process of its own. */
async function measureAlone(model) {
  const folder = await mkdtemp(join(tmpdir(), 'deit-bench-'));
  try {
    (await writeLayers(join(folder, 'layers'), model, SIZE)).model.dispose();
    const args = [
      fileURLToPath(import.meta.url),
      '--folder',
      folder,
      '--threads',
      options.threads,
      '--calls',
      options.calls,
    ];
    if (options.quantize) args.push('--quantize', options.quantize);
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (options.folder) {
  console.log(JSON.stringify(await measure(options.folder)));
  process.exit(0);
}
const rows = [];
for (const model of options.models.split(',')) {
  const found = await measureAlone(model);
  rows.push([
    `deit_${model}_patch16_224, ${found.description}`,
    (found.load / 1000).toFixed(2),
    found.one.toFixed(1),
    found.batch.toFixed(0),
    found.together.toFixed(0),
    found.delay.toFixed(1),
    found.peak.toFixed(0),
    (found.memoryBytes / 1e6).toFixed(0),
    found.scaling.join(', '),
  ]);
}
console.log(`${describeMachine()}\n`);
const n = options.calls;
console.log(
  table(
    [
      '',
      'load, s',
      '1 image, ms',
      `a batch of ${n}, ms`,
      `${n} calls, ms`,
      'longest delay, ms',
      'peak, MB',
      'WASM memory, MB',
      'threads: 1 image, ms',
    ],
    rows,
  ),
);
process.exit(0);
