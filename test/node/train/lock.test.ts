import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { lockFolder } from '../../../src/node/train/lock.js';
import { failure } from '../../failure.js';

const root = mkdtempSync(join(tmpdir(), 'deit-lock-'));
afterAll(() => rmSync(root, { recursive: true }));

test('a lock that is no lock is taken over, a folder of its name is an error at once', async () => {
  writeFileSync(join(root, 'train.lock'), 'no JSON');
  const unlock = await lockFolder(root);
  expect(await failure(lockFolder(root))).toMatch(/has been training into this folder since/);
  await unlock();
  expect(existsSync(join(root, 'train.lock'))).toBe(false);
  mkdirSync(join(root, 'train.lock'));
  expect(await failure(lockFolder(root))).toMatch(/train\.lock: cannot be read \(EISDIR\), so that nobody/);
});
