import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openFileSource } from '../../src/node/fileSource.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-file-source-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('reads any range of a file', async () => {
  const path = join(folder, 'a.pth');
  await writeFile(path, Uint8Array.of(1, 2, 3, 4, 5));
  const source = await openFileSource(path);
  expect(source).toMatchObject({ name: path, size: 5 });
  expect([...(await source.read(1, 3))]).toEqual([2, 3, 4]);
  expect([...(await source.read(5, 0))]).toEqual([]);
  await expect(source.read(3, 3)).rejects.toThrow(
    `${path}: expected 3 bytes at byte 3, but the file ends at byte 5`,
  );
  await expect(source.read(-1, 1)).rejects.toThrow(/expected 1 bytes at byte -1/);
  await source.close();
});

test('a file that shrinks while open is told', async () => {
  const path = join(folder, 'b.pth');
  await writeFile(path, Uint8Array.of(1, 2, 3, 4, 5));
  const source = await openFileSource(path);
  await truncate(path, 2);
  await expect(source.read(0, 5)).rejects.toThrow(/b\.pth: ends at byte 2, though it was longer when opened/);
  await source.close();
});

test('no file, and a folder in its place', async () => {
  await expect(openFileSource(join(folder, 'none.pth'))).rejects.toThrow(/none\.pth: no such file/);
  await expect(openFileSource(folder)).rejects.toThrow(/expected a checkpoint file, found a folder/);
});

test('a pipe that nobody writes into is told at once, and devices as well', async () => {
  const pipe = join(folder, 'pipe.pth');
  execFileSync('mkfifo', [pipe]);
  await expect(openFileSource(pipe)).rejects.toThrow(/pipe\.pth: expected a checkpoint file, found a pipe/);
  await expect(openFileSource('/dev/zero')).rejects.toThrow(/found a device/);
});

(process.platform === 'linux' ? test : test.skip)(
  'one that is forgotten is closed, in silence: that Node itself does it is an error from Node 25 on',
  async () => {
    const path = join(folder, 'forgotten.pth');
    await writeFile(path, Uint8Array.of(1, 2, 3));
    const code = `
    import { readdirSync, readlinkSync } from 'node:fs';
    import { setTimeout } from 'node:timers/promises';
    import { openFileSource } from ${JSON.stringify(pathToFileURL(resolve('dist/src/node/fileSource.js')).href)};
    const path = ${JSON.stringify(path)};
    const isOpen = () => readdirSync('/proc/self/fd').some((fd) => {
      try { return readlinkSync('/proc/self/fd/' + fd) === path; } catch { return false; }
    });
    // A copy that shares the functions keeps it open.
    let copy = await openFileSource(path).then(({ read }) => ({ read }));
    const collect = async () => { for (let i = 0; i < 5; i++) { gc(); await setTimeout(10); } };
    await collect();
    const bytes = (await copy.read(0, 3)).length;
    const before = isOpen();
    copy = undefined;
    await collect();
    console.log(bytes, before, isOpen());`;
    const args = ['--expose-gc', '--input-type=module', '-e', code];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: '3 true false\n', stderr: '' });
  },
);
