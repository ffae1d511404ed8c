import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const model = 'examples/digits/deit_digits_distilled.pth';
const image = 'examples/digits/val/3/00018.png';
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-native-'));
  await writeFile(join(folder, 'native.json'), '{}');
});
afterEach(() => rm(folder, { recursive: true }));

/** Installs a package in place of @tensorflow/tfjs-node. */
async function install(version: string, script: string): Promise<void> {
  const home = join(folder, 'node_modules/@tensorflow/tfjs-node');
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'package.json'), JSON.stringify({ name: '@tensorflow/tfjs-node', version }));
  await writeFile(join(home, 'index.js'), script);
}

function predict(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, DEIT_NATIVE_DIR: folder };
  const command = ['dist/src/cli/deit.js', 'predict', model, image, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { env }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

const BROKEN = "throw new Error('libtensorflow.so.2: cannot open shared object file\\nRequire stack: …')";

test('a library that cannot be loaded: an error of one line if it was named', async () => {
  await install('4.22.0', BROKEN);
  const { code, err } = await predict('--backend', 'tensorflow');
  expect(code).toBe(1);
  expect(err).toBe(
    `deit: @tensorflow/tfjs-node in ${folder} cannot be loaded (libtensorflow.so.2: cannot open shared object file); \`deit setup-native\` installs it\n`,
  );
});

test('… and otherwise passed over for the next best backend', async () => {
  await install('4.22.0', BROKEN);
  const { code, out } = await predict('--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)[0].topK[0].label).toBe('3');
});

test('another release of tfjs-node is not loaded at all', async () => {
  await install('3.9.0', "console.log('loaded')");
  const { code, out, err } = await predict('--backend', 'tensorflow');
  expect(code).toBe(1);
  expect(out).toBe('');
  expect(err).toMatch(
    /cannot be loaded \(it is release 3\.9\.0, but @tensorflow\/tfjs-core here is 4\.22\.0\)/,
  );
});

test('nothing installed: the command that installs it', async () => {
  await rm(join(folder, 'native.json'));
  expect((await predict('--backend', 'tensorflow')).err).toBe(
    'deit: native TensorFlow is not installed; `deit setup-native` installs it\n',
  );
});
