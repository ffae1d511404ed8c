import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { attemptNode, describeOnSwiftShader } from './webgpu/swiftshader.js';

const CLI = 'dist/src/cli/deit.js';
const work = mkdtempSync(join(tmpdir(), 'deit-backends-'));
afterAll(() => rmSync(work, { recursive: true }));

function deit(env: NodeJS.ProcessEnv, ...args: string[]) {
  const { status, stdout, stderr } = attemptNode([CLI, ...args], { env });
  return { status, stdout: stdout.replace(/\s+/g, ' '), stderr };
}

test.each([
  ['predict', 'examples/digits/val/0/00003.png'],
  ['eval', 'examples/digits/val'],
])('deit %s by auto: DEIT_XLA_DTYPE is told wrong where XLA is not installed; empty it is not set', (command, images) => {
  const env = { DEIT_XLA_DIR: work, DEIT_WEBGPU_DEVICE: 'none' };
  const files = ['examples/digits/deit_digits_distilled.pth', images];
  expect(deit({ ...env, DEIT_XLA_DTYPE: 'bf8' }, command, ...files)).toEqual({
    status: 1,
    stdout: '',
    stderr: 'deit: DEIT_XLA_DTYPE is "bf8"; it may be float32, tf32, bfloat16, float16\n',
  });
  expect(deit({ ...env, DEIT_XLA_DTYPE: '' }, command, ...files).status).toBe(0);
});

test('deit devices says where XLA was looked for', () => {
  const { stdout } = deit({ DEIT_XLA_DIR: work, DEIT_WEBGPU_DEVICE: 'none' }, 'devices');
  expect(stdout).toContain(`XLA is not installed in ${work} (DEIT_XLA_DIR); `);
});

describeOnSwiftShader('deit devices', () => {
  test('where a setting names another device: what there is, then the error', () => {
    const { status, stdout, stderr } = deit({ DEIT_WEBGPU_DEVICE: 'GeForce' }, 'devices');
    expect(status).toBe(1);
    expect(stdout).toMatch(/ webgpu 0 SwiftShader Device /);
    expect(stderr).toMatch(/^deit: DEIT_WEBGPU_DEVICE is "GeForce": webgpu finds no device/);
  });

  test('without a driver or its loader: what it needs, and no line of Dawn’s own', () => {
    const driverless = deit({ VK_DRIVER_FILES: join(work, 'none.json') }, 'devices');
    expect(driverless.stdout).toContain(' webgpu not here: WebGPU finds no GPU; on Linux it needs');
    const noLoader = deit({ LD_LIBRARY_PATH: '' }, 'devices');
    expect(noLoader).toMatchObject({ status: 0, stderr: '' });
  });
});
