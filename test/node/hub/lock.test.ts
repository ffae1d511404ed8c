import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { LockLost, lockFile } from '../../../src/node/hub/lock.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deit-lock-'));
  path = join(folder, 'x.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('one at a time, and nothing is left', async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    const lock = await lockFile(path);
    most = Math.max(most, ++inside);
    await new Promise((done) => setTimeout(done, 20));
    await lock.check();
    inside--;
    await lock.release();
  };
  await Promise.all(Array.from({ length: 5 }, work));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  '{"pid":999999999,"host":"another machine","token":"t"}',
  '',
  'no JSON',
])('a lock that says %j and shows no life is taken over, once, and not sooner', async (text) => {
  writeFileSync(path, text);
  let waits = 0;
  const start = performance.now();
  const lock = await lockFile(path, { staleMs: 300, onWait: () => waits++ });
  expect(performance.now() - start).toBeGreaterThan(290);
  expect(waits).toBe(1);
  await lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('who has lost the lock is told before it writes, and does not release the new one', async () => {
  const lock = await lockFile(path);
  writeFileSync(path, '{"pid":999999999,"host":"another machine","token":"t"}');
  await new Promise((done) => setTimeout(done, 1100)); // the lock is looked at once a second
  await expect(lock.check()).rejects.toBeInstanceOf(LockLost);
  await lock.release();
  expect(existsSync(path)).toBe(true);
});

test('waiting can be called off', async () => {
  const lock = await lockFile(path);
  await expect(lockFile(path, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  await lock.release();
});
