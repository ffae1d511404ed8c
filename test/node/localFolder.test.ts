import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openLocalFolder } from '../../src/node/localFolder.js';
import { failure } from '../failure.js';
import { lfsPointer } from '../hub/hubServer.js';

let base: string;
let folder: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'deit-folder-'));
  folder = join(base, 'model');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'config.json'), '{"é":1}');
  writeFileSync(join(folder, 'sub/part.bin'), Uint8Array.of(1, 2, 3));
  writeFileSync(join(base, 'secret'), 'outside');
});
afterEach(() => rmSync(base, { recursive: true }));

test('lists, reads and opens', async () => {
  const files = await openLocalFolder(folder);
  expect(files).toMatchObject({ name: folder, notes: [] });
  expect(await files.list()).toEqual(['config.json']);
  expect(await files.readText('config.json')).toBe('{"é":1}');
  expect(await files.readText('none.json')).toBeUndefined();
  expect(await files.readText('config.json/x')).toBeUndefined();
  const source = await files.open('sub/part.bin');
  expect([...(await source.read(1, 2))]).toEqual([2, 3]);
  await files.close();
  await expect(source.read(0, 1)).rejects.toThrow(/closed|EBADF/);
  expect(await failure(files.open('none.bin'))).toBe(
    `${join(folder, 'none.bin')}: no such file; check the folder`,
  );
});

test.each([
  '../secret',
  'sub/../../secret',
  '/etc/hostname',
  '..',
  '',
  'sub\\..\\..\\secret',
])('%j leads out of the folder', async (path) => {
  const files = await openLocalFolder(folder);
  expect(await failure(files.readText(path))).toMatch(/which leads out of it$/);
  expect(await failure(files.open(path))).toMatch(/which leads out of it$/);
});

test("links: a cache's to its blobs, one to nowhere, one to itself", async () => {
  mkdirSync(join(base, 'blobs'));
  writeFileSync(join(base, 'blobs/abc'), 'weights');
  symlinkSync('../blobs/abc', join(folder, 'model.safetensors'));
  symlinkSync('nowhere', join(folder, 'gone.bin'));
  symlinkSync('loop.bin', join(folder, 'loop.bin'));
  const files = await openLocalFolder(folder);
  expect(await files.list()).toEqual(['config.json', 'model.safetensors']);
  expect((await files.open('model.safetensors')).size).toBe(7);
  expect(await failure(files.open('gone.bin'))).toMatch(/no such file/);
  expect(await failure(files.open('loop.bin'))).toMatch(/is a link that leads to itself/);
  await files.close();
});

test('pipes and devices are refused without being opened; a folder is no file', async () => {
  execFileSync('mkfifo', [join(folder, 'pipe.bin')]);
  symlinkSync('/dev/zero', join(folder, 'zero.json'));
  const files = await openLocalFolder(folder);
  expect(await files.list()).toEqual(['config.json']);
  expect(await failure(files.open('pipe.bin'))).toMatch(/pipe\.bin: expected a file, found a pipe$/);
  expect(await failure(files.readText('zero.json'))).toMatch(/zero\.json: expected a file, found a device$/);
  expect(await failure(files.open('sub'))).toMatch(/sub: expected a file, found a folder$/);
});

test('text that is none, too much of it, LFS pointers', async () => {
  const files = await openLocalFolder(folder);
  writeFileSync(join(folder, 'bad.json'), Uint8Array.of(0x7b, 0xff, 0x7d));
  expect(await failure(files.readText('bad.json'))).toMatch(/bad\.json: expected text in UTF-8/);
  writeFileSync(join(folder, 'huge.json'), '');
  truncateSync(join(folder, 'huge.json'), 32 * 2 ** 20 + 1);
  expect(await failure(files.readText('huge.json'))).toMatch(/at most 33554432 bytes, found 33554433/);
  writeFileSync(join(folder, 'model.safetensors'), lfsPointer(Uint8Array.of(1)));
  expect(await failure(files.open('model.safetensors'))).toMatch(
    /model\.safetensors: is a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`/,
  );
  await files.close();
});

test('no folder, and a file in its place', async () => {
  expect(await failure(openLocalFolder(join(base, 'none')))).toMatch(/none: no such folder; check the path/);
  expect(await failure(openLocalFolder(join(base, 'secret')))).toMatch(/expected a folder, found a file/);
});
