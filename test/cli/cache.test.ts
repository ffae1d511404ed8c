/** `deit cache` as a user runs it. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type Sandbox, startSandbox, WEIGHTS } from '../node/hub/sandbox.js';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
beforeEach(async () => {
  sandbox.reset();
  const folder = await sandbox.open('hf:google/vit');
  await folder.open('model.safetensors');
  await folder.close();
});
afterAll(() => sandbox.close());

function deit(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [resolve('dist/src/cli/deit.js'), 'cache', ...args],
      { env: sandbox.env() },
      (error, stdout, stderr) => done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('list, as a table and as JSON; dir', async () => {
  const [table, json, dir] = await Promise.all([deit('list'), deit('list', '--json'), deit('dir')]);
  expect(table).toMatchObject({ code: 0, stderr: '' });
  expect(table.stdout).toMatch(/^model +MB +files +revisions +used\n/);
  expect(table.stdout).toMatch(/\ngoogle\/vit +0\.3 +1 +main \(a{12}\) +\d{4}-\d\d-\d\d \d\d:\d\d UTC\n/);
  expect(table.stdout).toContain(`0.3 MB in ${sandbox.cacheDir}/hub`);
  expect(JSON.parse(json.stdout)).toEqual([expect.objectContaining({ repo: 'google/vit', files: 1 })]);
  expect(dir).toEqual({ code: 0, stdout: `${sandbox.cacheDir}/hub\n`, stderr: '' });
});

test('remove, once; clear; an empty cache', async () => {
  const removed = await deit('remove', 'hf:google/vit', '--json');
  expect(removed).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(removed.stdout)).toMatchObject({ removed: 'google/vit' });
  expect(JSON.parse(removed.stdout).bytes).toBeGreaterThan(WEIGHTS.length);
  expect(await deit('remove', 'google/vit')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'deit: google/vit: is not in the cache; the cache is empty\n',
  });
  expect(await deit('clear')).toMatchObject({ code: 0, stdout: '0.0 MB removed\n' });
  expect((await deit('list')).stdout).toBe(`nothing is in the cache (${sandbox.cacheDir}/hub)\n`);
});

test('wrong usage', async () => {
  const [none, unknown, part] = await Promise.all([
    deit(),
    deit('purge'),
    deit('remove', 'hf:google/vit@v1'),
  ]);
  expect(none).toMatchObject({ code: 2, stdout: '' });
  expect(none.stderr).toMatch(
    /^deit: say what to do with the cache: list, dir, remove or clear; see deit cache --help/,
  );
  expect(unknown).toMatchObject({ code: 2, stdout: '' });
  expect(part.code).toBe(1);
  expect(part.stderr).toBe('deit: hf:google/vit@v1: models are removed as a whole; give google/vit\n');
});
