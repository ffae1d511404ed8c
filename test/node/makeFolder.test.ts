import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { makeFolder } from '../../src/node/makeFolder.js';

const root = mkdtempSync(join(tmpdir(), 'deit-make-'));
afterAll(() => rmSync(root, { recursive: true }));

test('folders are made, and the first of them is told', async () => {
  const path = join(root, 'a', 'b', 'c');
  expect(await makeFolder(path)).toBe(join(root, 'a'));
  expect(statSync(path).isDirectory()).toBe(true);
  expect(await makeFolder(path)).toBeUndefined();
  expect(await makeFolder(join(root, 'a', 'd'))).toBe(join(root, 'a', 'd'));
  expect(await makeFolder('/')).toBeUndefined();
});

test('a file in the way is an error', async () => {
  writeFileSync(join(root, 'file'), '');
  await expect(makeFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(root, 'file', 'x', 'y'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

// Where a file system answers ENOENT in a folder that is there, Node's own recursive mkdir never returns.
(existsSync('/proc/self') ? test : test.skip)(
  'a file system that makes no folders is an error at once',
  async () => {
    await expect(makeFolder('/proc/deit/x/y')).rejects.toMatchObject({ code: 'ENOENT' });
  },
);
