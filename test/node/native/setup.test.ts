import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { UserError } from '../../../src/errors.js';
import { removeNative, type SetupOptions, setupNative } from '../../../src/node/native/setup/index.js';
import { thisPlatform } from '../../../src/node/native/setup/platform.js';
import { cudaRequirements } from '../../../src/node/native/setup/wheels.js';
import { zipFile } from '../../converters/formats/builders.js';

let home: string;
let bin: string;
let target: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'deit-setup-'));
  bin = join(home, 'bin');
  target = join(home, 'cache', 'native');
  await mkdir(bin);
  await symlink(process.execPath, join(bin, 'node'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** Puts a program on the PATH of `deit`: a script of Node with the arguments in `args`. */
async function program(name: string, script: string): Promise<void> {
  const path = join(bin, name);
  const head = `#!${process.execPath}\nconst fs = require('node:fs'), path = require('node:path'), args = process.argv.slice(2);\n`;
  await writeFile(path, head + script);
  await chmod(path, 0o755);
}

const fail = (message: string) => `console.error(${JSON.stringify(message)}); process.exit(7);`;

/** npm as far as it matters: the two packages lie in node_modules. */
const npm = `for (const name of ['@tensorflow/tfjs-node', 'node-api-headers']) {
  fs.mkdirSync(path.join('node_modules', name), { recursive: true });
}`;

/** pip that has a version, and then does what is given. */
const pip = (download: string) => `if (args.at(-1) === '--version') process.exit(0); ${download}`;

const wheelOf = (files: Record<string, string>) =>
  zipFile(Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)]));

/** pip download that gives a wheel with these files. */
async function pipWith(files: Record<string, string>): Promise<void> {
  await writeFile(join(home, 'made.whl'), wheelOf(files));
  const copy = `fs.copyFileSync(${JSON.stringify(join(home, 'made.whl'))}, path.join(args.at(-1), 'made.whl'));`;
  await program('python3', pip(copy));
}

const libraries = {
  'tensorflow/libtensorflow_cc.so.2': 'cc',
  'tensorflow/libtensorflow_framework.so.2': 'framework',
  'tensorflow/include/tensorflow/c/c_api.h': 'header',
};

/** Runs setupNative with nothing on the PATH but the programs above: what it says in the end, and what it logs. */
async function setup({
  CXX,
  ...options
}: Partial<SetupOptions> & { CXX?: string } = {}): Promise<{ message: string; log: string[] }> {
  const log: string[] = [];
  const env = { PATH: bin, DEIT_NATIVE_DIR: target, HOME: home, CXX };
  try {
    await setupNative({ cuda: false, force: false, log: (line) => log.push(line), env, ...options });
    return { message: 'done', log };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { message: error.message, log };
  }
}

const linux = process.platform === 'linux' ? describe : describe.skip;

linux('deit setup-native', () => {
  test('names everything that is missing, and how to get it', async () => {
    const { message, log } = await setup();
    expect(log).toEqual([]);
    expect(message).toMatch(/npm \(it comes with Node\).*python3-pip.*not found on the PATH/);
    expect(message.includes('g++')).toBe(!thisPlatform(false).hasBinding);
    const compiling = await setup({ CXX: 'c++' });
    expect(compiling.message).toMatch(
      /npm \(it comes with Node\).*python3-pip.*g\+\+.*not found on the PATH/,
    );
  });

  test('a Python without pip counts as no pip', async () => {
    await program('npm', npm);
    await program('c++', '');
    await program('python3', fail('No module named pip'));
    expect((await setup()).message).toMatch(/needs pip, which downloads TensorFlow \(.*\): not found/);
  });

  const failures: [string, () => Promise<void>, RegExp][] = [
    [
      'npm fails',
      async () => {
        await program('npm', fail('npm error network'));
        await program('python3', pip(''));
      },
      /npm install failed \(exit code 7\): npm error network$/,
    ],
    [
      'pip finds no wheel',
      async () => program('python3', pip(fail('ERROR: No matching distribution found'))),
      /-m pip download failed \(exit code 7\): ERROR: No matching distribution found$/,
    ],
    ['pip says it is done and gives no wheel', async () => program('python3', pip('')), /gave no wheel$/],
    [
      'the wheel has no library',
      () => pipWith({ 'tensorflow/__init__.py': '' }),
      /made\.whl: has no libtensorflow_cc\.so\.2/,
    ],
    [
      'the compiler fails',
      async () => {
        await pipWith(libraries);
        await program('c++', fail('fatal error: c_api.h'));
      },
      /c\+\+ -std=c\+\+17 failed \(exit code 7\): fatal error: c_api\.h$/,
    ],
    [
      'the binding cannot be loaded',
      async () => {
        await pipWith(libraries);
        await program('c++', "fs.writeFileSync(args[args.indexOf('-o') + 1], 'no library');");
      },
      /check\.js failed/,
    ],
  ];

  test.each(failures)('%s: one line says so, and nothing is left', async (_, arrange, message) => {
    await program('npm', npm);
    await program('c++', '');
    await arrange();
    expect((await setup({ CXX: 'c++' })).message).toMatch(message);
    expect(await readdir(join(home, 'cache'))).toEqual([]);
  });

  (thisPlatform(false).hasBinding ? test : test.skip)(
    'without a compiler the binding comes along',
    async () => {
      await program('npm', npm);
      await pipWith(libraries);
      // What is loaded here is no library of TensorFlow's: all but the check went well.
      const { message, log } = await setup();
      expect(message).toMatch(/check\.js failed/);
      expect(log).toEqual([
        'npm: @tensorflow/tfjs-node 4.22.0',
        'pip: tensorflow-cpu==2.15.1',
        'check: a forward pass on TensorFlow and on WASM',
      ]);
    },
  );

  test('a failure leaves what was installed before', async () => {
    await mkdir(target, { recursive: true });
    await writeFile(join(target, 'native.json'), '{"tensorflow":"2.15.1"}');
    await program('npm', fail('npm error'));
    await program('python3', pip(''));
    await program('c++', '');
    expect((await setup()).message).toMatch(/npm error$/);
    expect(await readFile(join(target, 'native.json'), 'utf8')).toBe('{"tensorflow":"2.15.1"}');
    expect(await readdir(join(home, 'cache'))).toEqual(['native']);
  });

  test('interrupted while pip downloads: nothing is left', async () => {
    await program('npm', npm);
    await program('c++', '');
    await program('python3', pip('setTimeout(() => {}, 60000);'));
    const stop = new AbortController();
    const log = (line: string) => line.startsWith('pip') && setTimeout(() => stop.abort(), 200);
    const { message } = await setup({ signal: stop.signal, log });
    expect(message).toBe('interrupted; nothing is installed');
    expect(await readdir(join(home, 'cache'))).toEqual([]);
  });

  test('what a killed run left is removed by the next', async () => {
    const left = join(home, 'cache', 'native.partial-999999999');
    await mkdir(left, { recursive: true });
    await program('npm', fail('npm error'));
    await program('python3', pip(''));
    await program('c++', '');
    await setup();
    expect(existsSync(left)).toBe(false);
  });

  test('a folder with other files is never replaced', async () => {
    await mkdir(target, { recursive: true });
    await writeFile(join(target, 'thesis.txt'), 'years of work');
    await program('npm', npm);
    await program('c++', '');
    await program('python3', pip(''));
    expect((await setup()).message).toMatch(/holds other files; set DEIT_NATIVE_DIR to a new folder$/);
    expect(await removeNative(target)).toBe(false);
    expect(await readdir(target)).toEqual(['thesis.txt']);
  });

  const withoutDriver = existsSync('/dev/nvidiactl') || existsSync('/dev/dxg') ? test.skip : test;
  withoutDriver('CUDA asked for and no driver: said before anything is downloaded', async () => {
    const { message, log } = await setup({ cuda: true });
    expect(log).toEqual([]);
    expect(message).toMatch(/^CUDA was asked for, but this machine has no NVIDIA driver .*leave out --cuda/);
  });
});

describe('platforms and wheels', () => {
  test('a platform without wheels is pointed to tfjs-node', () => {
    expect(() => thisPlatform(false, 'win32-x64')).toThrow(
      /on linux-x64 and linux-arm64, not on win32-x64; `npm install @tensorflow\/tfjs-node@4\.22\.0`/,
    );
    expect(() => thisPlatform(true, 'linux-arm64')).toThrow(/no TensorFlow with CUDA for linux-arm64/);
  });

  test('the libraries of CUDA are those that the wheel names', async () => {
    const wheel = join(home, 'tensorflow.whl');
    const metadata = [
      'Name: tensorflow',
      'Requires-Dist: numpy (<2.0.0,>=1.23.5)',
      "Requires-Dist: nvidia-cublas-cu12 (==12.2.5.6) ; extra == 'and-cuda'",
      "Requires-Dist: nvidia-cuda-nvcc-cu12 (==12.2.140) ; extra == 'and-cuda'",
      "Requires-Dist: nvidia-cudnn-cu12 ==8.9.4.25 ; extra == 'and-cuda'",
      "Requires-Dist: nvidia-cufft-cu12<12.0,>=11.2.3.61; extra == 'and-cuda'",
    ].join('\n');
    await writeFile(wheel, wheelOf({ 'tensorflow-2.15.1.dist-info/METADATA': metadata }));
    expect(await cudaRequirements(wheel)).toEqual([
      'nvidia-cublas-cu12==12.2.5.6',
      'nvidia-cudnn-cu12==8.9.4.25',
      'nvidia-cufft-cu12<12.0,>=11.2.3.61',
    ]);
  });
});
