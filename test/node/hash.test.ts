import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { checkHashInName, describeCheck, keepSum, officialHash, sha256File } from '../../src/node/hash.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deit-hash-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text = 'weights'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('the digits of an official name are checked, in any folder', async () => {
  const path = file('deit_tiny_patch16_224-a1311bcf.pth');
  expect(officialHash(path)).toEqual({ digits: 'a1311bcf', source: 'as its name says' });
  await expect(checkHashInName(path)).rejects.toThrow(
    /SHA-256 should begin with a1311bcf as its name says, is [0-9a-f]{8}…; the file is damaged or another one/,
  );
  await expect(checkHashInName(file('regnety_160-a5fe301d.pth'))).rejects.toThrow(/begin with a5fe301d/);
});

// Dates, epochs, commits, run numbers and UUIDs, all of hex digits.
test.each([
  'deit-20240131.pth',
  'vit-small-20231117093000.pth',
  'epoch-00000299.pth',
  'checkpoint-deadbeef.pth',
  'run-1f3a9c2b7d.safetensors',
  'model-550e8400-e29b-41d4-a716-446655440000.pth',
  'my_deit_tiny_patch16_224-a1311bcf.pth',
  'deit_tiny_patch16_224-a1311bcf.safetensors',
])('%s is not official, so its digits are no hash', async (name) => {
  expect(officialHash(name)).toBeUndefined();
  await expect(checkHashInName(file(name))).resolves.toBeUndefined();
});

test('a whole sum in the table is compared whole', () => {
  const sha256 = 'a1311bcf'.repeat(8);
  const files = [{ checkpoint: 'https://example.org/x/deit-a1311bcf.pth', sha256 }];
  expect(officialHash('deit-a1311bcf.pth', files)).toEqual({ digits: sha256, source: 'as published' });
});

test('a sum that was kept is checked whole when the file is opened', async () => {
  const path = file('any.pth');
  await keepSum(path, await sha256File(path));
  await expect(checkHashInName(path)).resolves.toBeUndefined();
  writeFileSync(path, 'weightt');
  await expect(checkHashInName(path)).rejects.toThrow(
    /any\.pth: SHA-256 should be [0-9a-f]{64} as .*any\.pth\.sha256 has kept it, is [0-9a-f]{64}; the file is damaged/,
  );
});

test("a .sha256 file of another file's, or of another form, is passed over", async () => {
  const path = file('any.pth');
  const wrong = createHash('sha256').update('x').digest('hex');
  for (const text of [`${wrong}  other.pth\n`, `${wrong}\n`, 'SHA256 (any.pth) = 1\n']) {
    file('any.pth.sha256', text);
    await expect(checkHashInName(path)).resolves.toBeUndefined();
  }
});

test('what was compared is said in words', () => {
  expect(describeCheck(8)).toBe(
    'the first 8 hex digits of its SHA-256 are the published ones, which finds damage and not forgery',
  );
  expect(describeCheck(64)).toBe('its SHA-256 is the published one');
  expect(describeCheck(0)).toBe('no published SHA-256 is known to check it by');
});
