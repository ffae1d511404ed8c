/**
 * The paper's claim in small: none, soft and hard distillation through the token on CIFAR-10, on a fixed budget, three
 * seeds each, under a convnet that is trained first.
 *
 *     node examples/distillation/run.mjs CIFAR10 [--output OUTPUT] [--jobs 2]
 *
 * CIFAR10: the folder with the binary version's data_batch_1.bin … test_batch.bin. --jobs: runs at a time, a core each.
 *
 * Writes results.json and prints the table. Runs that are done are not run again; those broken off go on.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as deit from 'deit-tfjs/node';
import { trainConvnet } from '../lib/convnet.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DEIT = join(HERE, '../../dist/src/cli/deit.js');
const CONFIG = join(HERE, 'cifar10.json');

const TEACHER = {
  name: 'cifar10_convnet',
  epochs: 6,
  stages: [
    [32, 5, 2],
    [64, 3, 1],
    [96, 3, 2],
    [128, 3, 1],
  ],
};
const MODES = {
  none: { 'model.distilled': false, 'distillation.type': 'none' },
  soft: { 'distillation.type': 'soft' },
  hard: { 'distillation.type': 'hard' },
};
const SEEDS = [1, 2, 3];
/** One thread a run, so that `jobs` runs share the cores. */
const BACKEND = 'wasm';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { output: { type: 'string', default: join(HERE, 'run') }, jobs: { type: 'string', default: '2' } },
});
const [path] = positionals;
if (!path) throw new Error('say where CIFAR-10 is: node examples/distillation/run.mjs CIFAR10');
const { output } = values;
const teacher = join(output, 'teacher');
mkdirSync(output, { recursive: true });

/** The teacher's accuracy on the test images, in percent; trained where it is not there yet. */
async function teach() {
  const record = join(output, 'teacher.json');
  if (existsSync(record)) return JSON.parse(readFileSync(record, 'utf8')).top1;
  const student = JSON.parse(readFileSync(CONFIG, 'utf8'));
  const { top1 } = await trainConvnet(student, TEACHER, path, teacher);
  writeFileSync(record, JSON.stringify({ top1 }));
  return top1;
}

/** The folder of a run, when it is done. */
async function train(mode, seed) {
  const folder = join(output, `${mode}-${seed}`);
  if (existsSync(join(folder, 'last', 'model.json'))) return folder;
  const taught = mode === 'none' ? {} : { 'distillation.teacher': teacher };
  const fields = {
    'data.path': path,
    'val.path': path,
    'val.limit': 1000,
    backend: BACKEND,
    ...MODES[mode],
    ...taught,
    seed,
    output: folder,
  };
  const args = Object.entries(fields).flatMap(([field, value]) => [`--${field}`, String(value)]);
  const resume = existsSync(join(folder, 'config.json')) ? ['--resume'] : [];
  const child = spawn(process.execPath, [DEIT, 'train', CONFIG, ...args, ...resume], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${folder}: deit train ended with ${status}`);
  return folder;
}

/** Top-1 of a run's last weights on all 10,000 test images: none of them had a part in choosing these weights. */
async function top1Of(folder) {
  const model = await deit.load(join(folder, 'last'), { backend: BACKEND });
  const { preprocessing } = model;
  const data = /** @type {const} */ ({ format: 'cifar10', path, split: 'test', limit: null });
  const val = await deit.openEvalData({ data, preprocessing, workers: 1 });
  const { top1 } = await deit.evaluate(model, val, { batchSize: 250 });
  await val.close();
  model.dispose();
  return top1;
}

const teacherTop1 = await teach();
const waiting = SEEDS.flatMap((seed) => Object.keys(MODES).map((mode) => ({ mode, seed })));
const work = async () => {
  for (let next = waiting.shift(); next; next = waiting.shift()) await train(next.mode, next.seed);
};
await Promise.all(Array.from({ length: Number(values.jobs) }, work));

const top1 = {};
for (const mode of Object.keys(MODES)) {
  top1[mode] = [];
  for (const seed of SEEDS) top1[mode].push(await top1Of(join(output, `${mode}-${seed}`)));
}
writeFileSync(
  join(HERE, 'results.json'),
  `${JSON.stringify({ teacher: teacherTop1, seeds: SEEDS, top1 }, null, 2)}\n`,
);
console.log(`teacher: ${teacherTop1.toFixed(2)}`);
console.log(
  '| distillation | seed 1 | seed 2 | seed 3 | mean | spread |\n| --- | --- | --- | --- | --- | --- |',
);
for (const [mode, values] of Object.entries(top1)) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const spread = Math.max(...values) - Math.min(...values);
  const cells = [...values, mean, spread].map((value) => value.toFixed(2));
  console.log(`| ${mode} | ${cells.join(' | ')} |`);
}
