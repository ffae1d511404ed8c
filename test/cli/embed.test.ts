/** `deit embed` and `deit eval --knn` as a user runs them. */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../converters/formats/index.js';
import * as deit from '../../src/node/index.js';
import { deit as deitCommand } from './captureCli.js';

const MODEL = resolve('examples/digits/deit_digits_distilled.pth');
const VAL = resolve('examples/digits/val');
const folder = mkdtempSync(join(tmpdir(), 'deit-embed-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command in this process. */
async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, out, err } = await deitCommand(...args, '--backend', 'wasm');
  return { code, stdout: out, stderr: err };
}

/** Runs a command as a user does. */
function runProcess(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = resolve('dist/src/cli/deit.js');
  return new Promise((done) => {
    execFile(process.execPath, [program, ...args, '--backend', 'wasm'], (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** Files of a class folder. */
const filesOf = (name: string) =>
  readdirSync(join(VAL, name))
    .sort()
    .map((file) => join(VAL, name, file));

interface Npy {
  shape: number[];
  values: Float32Array;
}

function readNpy(path: string): Npy {
  const bytes = readFileSync(path);
  expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
  const end = 10 + bytes.readUInt16LE(8);
  expect(end % 64).toBe(0);
  const header = bytes.subarray(10, end).toString('latin1');
  const [, shape] = /^{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+, \d+)\), } *\n$/.exec(header)!;
  return {
    shape: shape!.split(', ').map(Number),
    values: new Float32Array(Uint8Array.from(bytes.subarray(end)).buffer),
  };
}

describe('deit embed', () => {
  const files = filesOf('0').slice(0, 11);
  let expected: { classToken?: Float32Array; patchMean: Float32Array }[];
  beforeAll(async () => {
    const model = await deit.load(MODEL, { backend: 'wasm' });
    expected = await model.embed(files);
    model.dispose();
  });
  const near = (found: Float32Array, row: number, wanted: Float32Array) => {
    const part = found.subarray(row * wanted.length, (row + 1) * wanted.length);
    for (const [i, value] of wanted.entries()) expect(Math.abs(part[i]! - value)).toBeLessThan(1e-5);
  };

  test('writes class tokens as .npy, and the files beside them', async () => {
    const { code, stdout, stderr } = await runProcess('embed', MODEL, ...files, '--out', at('tokens.npy'));
    expect(stderr).not.toMatch(/not read/);
    expect(code).toBe(0);
    expect(stdout).toContain('11 images, 64 features each (token)');
    const { shape, values } = readNpy(at('tokens.npy'));
    expect(shape).toEqual([11, 64]);
    for (const [i, { classToken }] of expected.entries()) near(values, i, classToken!);
    expect(readFileSync(at('tokens.txt'), 'utf8')).toBe(files.map((file) => `${file}\n`).join(''));
  });

  test('of a folder, both poolings as .safetensors, without the images that cannot be read', async () => {
    mkdirSync(at('images/below'), { recursive: true });
    cpSync(files[0]!, at('images/a.png'));
    writeFileSync(at('images/b.png'), 'no image');
    cpSync(files[1]!, at('images/below/c.png'));
    const args = ['embed', MODEL, at('images'), at('nowhere.png'), '--out', at('both.safetensors')];
    const { code, stdout, stderr } = await run(...args, '--pool', 'both', '--json');
    expect(code).toBe(1);
    expect(stderr).toMatch(/not read: .*b\.png: not an image/);
    expect(stderr).toMatch(/not read: .*nowhere\.png: no such file/);
    expect(stderr).toMatch(/2 of 4 images could not be read and are left out\n$/);
    expect(JSON.parse(stdout)).toEqual({
      images: 2,
      width: 128,
      pool: 'both',
      failed: 2,
      files: [at('both.safetensors')],
    });
    const bytes = readFileSync(at('both.safetensors'));
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
    expect(JSON.parse(header.__metadata__.files)).toEqual([at('images/a.png'), at('images/below/c.png')]);
    expect(header.__metadata__.pool).toBe('both');
    const { tensors } = await parseCheckpoint(new Uint8Array(bytes));
    const tensor = tensors.get('features')!;
    expect(tensor.shape).toEqual([2, 128]);
    const values = (await tensor.read()) as Float32Array;
    for (const i of [0, 1]) {
      const { classToken, patchMean } = expected[i]!;
      near(values, i, Float32Array.of(...classToken!, ...patchMean));
    }
  });

  test.each([
    [
      'another ending',
      ['embed', MODEL, files[0]!, '--out', at('x.txt')],
      1,
      /written as \.npy or \.safetensors/,
    ],
    ['a pooling that is none', ['embed', MODEL, files[0]!, '--out', at('x.npy'), '--pool', 'max'], 2, /pool/],
    ['no --out', ['embed', MODEL, files[0]!], 2, /out/],
    [
      'no image that can be read',
      ['embed', MODEL, at('none.png'), '--out', at('x.npy')],
      1,
      /none of the 1 images/,
    ],
  ])('%s is refused, and nothing is written', async (_, args, code, message) => {
    const outcome = await run(...args);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr.trimEnd().split('\n').at(-1)).toMatch(message);
    expect(existsSync(at('x.npy')) || existsSync(at('x.txt'))).toBe(false);
  });
});

describe('deit eval --knn', () => {
  /** A third of the images to evaluate, the others to train; the classes 0 to 4. */
  beforeAll(() => {
    for (const name of ['0', '1', '2', '3', '4']) {
      for (const [i, file] of filesOf(name).entries()) {
        const target = at(join(i % 3 === 0 ? 'val' : 'train', name));
        mkdirSync(target, { recursive: true });
        cpSync(file, join(target, `${i}.png`));
      }
    }
  });

  test('classifies by neighbours, an image by itself if it is among them', async () => {
    const json = ['--json', '--workers', '1'];
    const { code, stdout, stderr } = await runProcess(
      'eval',
      MODEL,
      at('val'),
      '--knn',
      at('train'),
      ...json,
    );
    expect(code).toBe(0);
    expect(stderr).toContain('features: class token');
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ failed: 0, loss: null, k: 20, temperature: 0.07, pool: 'token' });
    expect(summary.images).toBe(filesOf('0').filter((_, i) => i % 3 === 0).length * 5);
    expect(summary.top1).toBeGreaterThan(90);
    expect(summary.top5).toBeGreaterThanOrEqual(summary.top1);
    const itself = await run('eval', MODEL, at('val'), '--knn', at('val'), '--knn-k', '1', '--json');
    expect(JSON.parse(itself.stdout)).toMatchObject({ top1: 100, k: 1 });
  });

  test('a class that the training folder does not have is refused', async () => {
    mkdirSync(at('more/7'), { recursive: true });
    cpSync(filesOf('0')[0]!, at('more/7/a.png'));
    const { code, stderr } = await run('eval', MODEL, at('more'), '--knn', at('train'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/more: the class folder "7" is not in .*train; k-NN needs/);
  });

  test.each([
    [['--knn-k', '5'], /--knn-k is for --knn TRAIN_DIR/],
    [['--knn', VAL, '--knn-k', '0'], /--knn-k must be a whole number from 1/],
    [['--knn', VAL, '--knn-temperature', '0'], /--knn-temperature must be a number of at least 0.01/],
    [['--knn', VAL, '--predictions', 'x'], /--predictions and --knn do not go together/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stderr } = await run('eval', MODEL, VAL, ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
