/** What importing the package does to a process, and what works right after it: each in a process of its own. */
import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'deit-import-'));
const run = promisify(execFile);

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/deit-tfjs'));
  symlinkSync(resolve('node_modules/@tensorflow'), join(folder, 'node_modules/@tensorflow'));
  symlinkSync(resolve('node_modules/sharp'), join(folder, 'node_modules/sharp'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a program in the folder; resolves to what it printed and its exit code. */
async function program(name: string, source: string, flags: string[] = []) {
  writeFileSync(join(folder, name), source);
  try {
    const { stdout, stderr } = await run(process.execPath, [...flags, name], { cwd: folder });
    return { stdout, stderr, code: 0 };
  } catch (error) {
    return error as { stdout: string; stderr: string; code: number };
  }
}

const STATE = `
const state = () => JSON.stringify({
  listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
  globals: Object.keys(globalThis).filter((name) => !name.startsWith('_tf')),
  env: process.env,
  warn: console.warn === warn,
});
const { warn } = console;
const before = state();
`;
const SMALL = '{ embedDim: 16, depth: 1, numHeads: 2, numClasses: 3, patchSize: 8, imgSize: [16, 16] }';

test.each(['deit-tfjs', 'deit-tfjs/node'])('importing %s changes nothing in the process', async (entry) => {
  const { stdout, code } = await program(
    'import.mjs',
    `import * as tf from '@tensorflow/tfjs-core';
     ${STATE}
     const kernels = tf.getKernelsForBackend('wasm').length;
     const deit = await import('${entry}');
     console.log(state() === before, tf.engine().backendName, kernels, deit.tf === tf || deit.tf.engine === tf.engine);
     const own = tf.getKernelsForBackend('wasm').filter(({ kernelName }) => kernelName.startsWith('Deit'));
     console.log(own.length);`,
  );
  expect({ stdout, code }).toEqual({ stdout: 'true undefined 0 true\n0\n', code: 0 });
});

test.each([
  'deit-tfjs',
  'deit-tfjs/node',
])('require(%j): a model is built and runs with no await, and leaves no handlers', async (entry) => {
  const { stdout, code } = await program(
    'require.cjs',
    `${STATE}
     const deit = require('${entry}');
     const model = deit.createModel(${SMALL});
     const x = deit.tf.zeros([1, 16, 16, 3]);
     console.log(model.backend, model.predict(x).shape, state() === before);
     console.log(deit.tf.getKernelsForBackend('wasm').some(({ kernelName }) => kernelName === 'DeitLinear'));`,
  );
  expect({ stdout, code }).toEqual({ stdout: 'wasm [ 1, 3 ] true\ntrue\n', code: 0 });
});

test('tfjs’ own ops run before any model, with kernels of ours once there is one', async () => {
  const { stdout } = await program(
    'ops.mjs',
    `import * as tf from '@tensorflow/tfjs-core';
     import * as deit from 'deit-tfjs/node';
     const x = tf.ones([1, 16, 16, 3]);
     const registered = () => tf.getKernel('DeitLinear', 'wasm') !== undefined;
     console.log(tf.getBackend(), registered());
     deit.createModel(${SMALL}).predict(x);
     console.log(registered(), process.listenerCount('uncaughtException'));`,
  );
  expect(stdout).toBe('wasm false\ntrue 0\n');
});

test('an application’s own handlers are called, and alone', async () => {
  const { stdout, code } = await program(
    'handlers.mjs',
    `process.on('uncaughtException', (error) => console.log('caught', error.message));
     process.on('unhandledRejection', (error) => console.log('rejected', error.message));
     const deit = await import('deit-tfjs/node');
     const model = deit.createModel(${SMALL});
     await deit.saveModel(model, 'handlers');
     await deit.load('handlers', { backend: 'wasm' });
     Promise.reject(new Error('one'));
     setTimeout(() => { throw new Error('two'); }, 10);`,
  );
  expect({ stdout, code }).toEqual({ stdout: 'rejected one\ncaught two\n', code: 0 });
});

test('an application that chose its backend keeps it', async () => {
  const { stdout } = await program(
    'chosen.mjs',
    `import * as tf from '@tensorflow/tfjs-core';
     import '@tensorflow/tfjs-backend-cpu';
     await tf.setBackend('cpu');
     const deit = await import('deit-tfjs/node');
     const model = deit.createModel(${SMALL});
     await deit.saveModel(model, 'chosen');
     const other = await deit.load('chosen', { backend: 'wasm' });
     console.log(model.backend, other.backend, tf.getBackend());`,
  );
  expect(stdout.split('\n').at(-2)).toBe('cpu wasm cpu');
});

test('without sharp’s binary what reads no image works, and what does says what to install', async () => {
  const hook = `export async function resolve(specifier, context, next) {
    if (specifier === 'sharp') throw new Error('Could not load the "sharp" module using the linux-x64 runtime\\nmore');
    return next(specifier, context);
  }`;
  writeFileSync(
    join(folder, 'hook.mjs'),
    `import { register } from 'node:module';
     register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));`,
  );
  const { stdout } = await program(
    'nosharp.mjs',
    `const deit = await import('deit-tfjs/node');
     const model = deit.createModel(${SMALL});
     await deit.saveModel(model, 'nosharp');
     const loaded = await deit.load('nosharp', { backend: 'wasm' });
     console.log(loaded.predict(deit.tf.zeros([1, 16, 16, 3])).shape);
     console.log((await loaded.classify(deit.tf.fill([20, 20, 3], 99), { topK: 1 })).length);
     await loaded.classify('image.png').catch(({ name, message }) => console.log(name, message));
     await loaded.classify(${JSON.stringify(resolve('test/fixtures/images/grey.jpg'))}).catch(({ name, message }) => console.log(name, message));`,
    ['--import', './hook.mjs'],
  );
  const [shape, count, missing, unread] = stdout.split('\n');
  expect([shape, count]).toEqual(['[ 1, 3 ]', '1']);
  expect(missing).toBe('UserError image.png: no such file');
  expect(unread).toMatch(
    /^UserError images cannot be read: sharp cannot be loaded \(Could not load .*\); install it/,
  );
  const models = run(
    process.execPath,
    ['--import', './hook.mjs', resolve('dist/src/cli/deit.js'), 'models'],
    {
      cwd: folder,
    },
  );
  expect((await models).stdout).toMatch(/deit_tiny_patch16_224/);
});

test('no module asks for its folder by new URL, which bundlers take for a file that comes along', () => {
  const files = readdirSync('dist/src', { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.js'),
  );
  expect(files.length).toBeGreaterThan(100);
  const asking = files.filter((path) =>
    /new URL\(['"]\.{0,2}\/?['"], import\.meta\.url\)/.test(readFileSync(join('dist/src', path), 'utf8')),
  );
  expect(asking).toEqual([]);
});
