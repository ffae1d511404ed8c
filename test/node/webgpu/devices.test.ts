import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeOnSwiftShader, node } from './swiftshader.js';

const DIGITS = resolve('examples/digits');
const VAL = join(DIGITS, 'val');

const work = mkdtempSync(join(tmpdir(), 'deit-webgpu-'));
const model = join(work, 'digits');
/** Three images of each digit. */
const FEW = join(work, 'few');
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs deit with a module of this folder imported before. */
function deit(hook: string, env: NodeJS.ProcessEnv, ...args: string[]) {
  const file = pathToFileURL(resolve('dist/test/node/webgpu', hook)).href;
  return node(['--import', file, 'dist/src/cli/deit.js', ...args], { env });
}

describeOnSwiftShader('which GPU computes, and what follows where it cannot', () => {
  /** WASM's figures of them. */
  let expected: { top1: number; loss: number };
  beforeAll(() => {
    const checkpoint = join(DIGITS, 'deit_digits_distilled.pth');
    node(['dist/converters/cli.js', checkpoint, model, '--labels', join(DIGITS, 'labels.txt')]);
    for (const digit of readdirSync(VAL)) {
      mkdirSync(join(FEW, digit), { recursive: true });
      for (const file of readdirSync(join(VAL, digit)).slice(0, 3)) {
        copyFileSync(join(VAL, digit, file), join(FEW, digit, file));
      }
    }
    const args = ['dist/src/cli/deit.js', 'eval', model, FEW, '--json', '--backend', 'wasm'];
    expected = JSON.parse(node(args).stdout);
  });

  test('deit eval by auto goes on where the GPU is lost: on that GPU again, then on the next backend', () => {
    const env = { LOSE_AT: '4,8', DEIT_WEBGPU_DEVICE: 'swiftshader' };
    const { stdout, stderr } = deit('loseDevice.js', env, 'eval', model, FEW, '--json', '--batch-size', '6');
    expect(JSON.parse(stdout)).toMatchObject({
      images: 30,
      top1: expected.top1,
      failed: 0,
      backend: 'webgpu, wasm',
    });
    expect(JSON.parse(stdout).loss).toBeCloseTo(expected.loss, 5);
    const told = stderr.match(/^the webgpu backend lost its GPU \(.*\): the model is loaded again$/gm);
    expect(told).toHaveLength(2);
    expect(stderr.match(/^backend: \w+/gm)).toEqual(['backend: webgpu', 'backend: webgpu', 'backend: wasm']);
  });

  test('a GPU without room for the weights: one line, and by auto the next backend', () => {
    const env = { ROOM: '100000', DEIT_WEBGPU_DEVICE: 'swiftshader' };
    const run = (...args: string[]) => deit('fullMemory.js', env, ...args);
    const evaluated = run('eval', model, FEW, '--json');
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ images: 30, failed: 0, backend: 'wasm' });
    const line = /the GPU's memory has no room for the \d+ MiB of deit_\w+'s weights; take another backend$/m;
    expect(evaluated.stderr).toMatch(new RegExp(`^backend passed over: webgpu: ${line.source}`, 'm'));
    expect(evaluated.stderr.match(/passed over: xla/g)).toHaveLength(1);
    expect(run('predict', model, join(VAL, '0/00003.png')).stdout).toMatch(/ 0 /);
    expect(() => run('predict', model, join(VAL, '0/00003.png'), '--backend', 'webgpu')).toThrow(
      new RegExp(`: deit: ${line.source}`, 'm'),
    );
  });

  test('load’s device: by name or number, over the setting; another while one runs is an error', () => {
    const program = resolve('dist/test/node/webgpu/program.js');
    const { stdout } = node([program, 'device', model], { env: { DEIT_WEBGPU_DEVICE: 'GeForce' } });
    const { descriptions, errors } = JSON.parse(stdout.trim().split('\n').at(-1)!);
    expect(descriptions).toEqual([
      expect.stringMatching(/^webgpu: swiftshader-device-subzero, SwiftShader driver /),
      expect.stringMatching(/^webgpu: swiftshader/),
    ]);
    expect(errors).toEqual([
      expect.stringMatching(/^UserError: webgpu finds no device "GeForce RTX"; there are: 0 SwiftShader/),
      expect.stringMatching(/^UserError: DEIT_WEBGPU_DEVICE is "GeForce": webgpu finds no device "GeForce"/),
      expect.stringMatching(/^UserError: wasm has no devices to choose from/),
      expect.stringMatching(
        /^UserError: no backend has a device "GeForce" here: .*; webgpu: webgpu finds no/,
      ),
    ]);
  });

  test('`auto` does not pass over a setting that is wrong, nor does a program that needs no tensors', () => {
    for (const [name, value] of Object.entries({
      DEIT_WEBGPU_DEVICE: 'GeForce',
      DEIT_WEBGPU_DTYPE: 'float17',
      DEIT_DAWN_FLAGS: 'backend',
      DEIT_PJRT_PLUGIN: '/no/plugin.so',
    })) {
      const args = ['dist/src/cli/deit.js', 'predict', model, join(VAL, '0/00003.png')];
      expect(() => node(args, { env: { [name]: value } })).toThrow(new RegExp(`deit: ${name}.*${value}`));
    }
  });

  test('deit devices: what there is, and what auto takes', () => {
    const { stdout } = node(['dist/src/cli/deit.js', 'devices']);
    expect(stdout).toMatch(/^webgpu {6}0 {2}SwiftShader Device \(Subzero\)$/m);
    expect(stdout).toMatch(/^wasm {8}own kernels, /m);
    expect(stdout).toMatch(/^auto takes (wasm|tensorflow): /m);
    const { backends } = JSON.parse(node(['dist/src/cli/deit.js', 'devices', '--json']).stdout);
    expect(backends.map(({ backend }: { backend: string }) => backend)).toEqual([
      'xla',
      'webgpu',
      'tensorflow',
      'wasm',
    ]);
  });
});
