import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { clearHubCache, hubCacheFolder, listCache, removeFromCache } from '../../../src/node/hub/cache.js';
import { failure } from '../../failure.js';
import { COMMIT, CONFIG, OLD_COMMIT, type Sandbox, startSandbox, WEIGHTS } from './sandbox.js';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
beforeEach(() => sandbox.reset());
afterAll(() => sandbox.close());

async function use(name: string, ...paths: string[]): Promise<void> {
  const folder = await sandbox.open(name);
  for (const path of paths) await folder.open(path);
  await folder.close();
}

test('what is in it: sizes, revisions, when it was used, the last first', async () => {
  expect(await listCache()).toEqual([]);
  sandbox.add('me/other', { 'a.bin': { bytes: WEIGHTS.subarray(0, 500) } });
  await use('hf:google/vit', 'model.safetensors', 'config.json');
  await use('hf:google/vit@v1');
  await new Promise((done) => setTimeout(done, 20));
  await use('hf:me/other', 'a.bin');
  const blobs = join(sandbox.cacheDir, 'hub/models/me/other/blobs');
  writeFileSync(join(blobs, `${'f'.repeat(64)}.partial`), new Uint8Array(70));
  const [first, second] = await listCache();
  expect(first).toMatchObject({ repo: 'me/other', files: 1, partialBytes: 70 });
  expect(second).toMatchObject({ repo: 'google/vit', files: 2, partialBytes: 0 });
  expect(second!.revisions).toEqual([
    { revision: 'main', commit: COMMIT, checked: expect.stringMatching(/^20/) },
    { revision: 'v1', commit: OLD_COMMIT, checked: expect.stringMatching(/^20/) },
  ]);
  const content = WEIGHTS.length + CONFIG.length;
  expect(second!.bytes).toBeGreaterThan(content);
  expect(second!.bytes).toBeLessThan(content + 5000); // the lists of files
  await new Promise((done) => setTimeout(done, 20));
  await use('hf:google/vit');
  expect((await listCache()).map(({ repo }) => repo)).toEqual(['google/vit', 'me/other']);
});

test('a model is removed whole, open files stay readable, and nothing else goes', async () => {
  sandbox.add('google/other', { 'a.bin': { bytes: WEIGHTS.subarray(0, 500) } });
  await use('hf:google/other', 'a.bin');
  const folder = await sandbox.open('hf:google/vit');
  const source = await folder.open('model.safetensors');
  expect(await removeFromCache('google/vit')).toBeGreaterThan(WEIGHTS.length);
  expect((await source.read(5, 3)).length).toBe(3);
  await folder.close();
  expect((await listCache()).map(({ repo }) => repo)).toEqual(['google/other']);
  expect(readdirSync(join(sandbox.cacheDir, 'hub/models/google'))).toEqual(['other']);
  expect(await failure(removeFromCache('google/vit'))).toBe(
    'google/vit: is not in the cache; there are google/other',
  );
  expect(await failure(removeFromCache('../..'))).toMatch(/cannot be OWNER\/NAME/);
  await removeFromCache('google/other');
  expect(existsSync(join(sandbox.cacheDir, 'hub/models/google'))).toBe(false);
});

test('cleared: all models go, and what is not ours stays', async () => {
  await use('hf:google/vit', 'model.safetensors');
  mkdirSync(join(sandbox.cacheDir, 'hub/models--google--vit'), { recursive: true });
  writeFileSync(join(sandbox.cacheDir, 'mine.txt'), '');
  // A removal that ended in the middle.
  const half = join(sandbox.cacheDir, `hub/models/a/b.removed-${'0'.repeat(36)}`);
  mkdirSync(half, { recursive: true });
  expect((await listCache()).map(({ repo }) => repo)).toEqual(['google/vit']);
  expect(await clearHubCache()).toBeGreaterThan(WEIGHTS.length);
  expect(await listCache()).toEqual([]);
  expect(existsSync(join(half, '..'))).toBe(false);
  expect(readdirSync(sandbox.cacheDir).sort()).toEqual(['hub', 'mine.txt']);
  expect(readdirSync(hubCacheFolder())).toContain('models--google--vit');
  await use('hf:google/vit', 'model.safetensors'); // and it can be filled again
});

test('a damaged list or reference is asked for again', async () => {
  await use('hf:google/vit', 'config.json');
  const model = join(sandbox.cacheDir, 'hub/models/google/vit');
  writeFileSync(join(model, 'refs/main.json'), '{"revision":"ma');
  expect((await listCache())[0]!.revisions).toEqual([]);
  expect(await failure(sandbox.open('hf:google/vit', { offline: true }))).toMatch(/is not in the cache/);
  writeFileSync(join(model, 'commits', `${COMMIT}.json`), '');
  await use('hf:google/vit', 'config.json');
  expect((await sandbox.open('hf:google/vit', { offline: true })).commit).toBe(COMMIT);
});
