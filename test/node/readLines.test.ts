import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { checkReadable, readLines } from '../../src/node/readLines.js';

const folder = mkdtempSync(join(tmpdir(), 'deit-lines-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

test('lines without a byte order mark and without the last end', async () => {
  writeFileSync(at('lines.txt'), '\ufeffa\r\nb\n\n');
  expect(await readLines(at('lines.txt'))).toEqual(['a', 'b', '']);
});

test('what is not there is told by both', async () => {
  const told = `${at('none.txt')}: cannot be read (ENOENT)`;
  await expect(readLines(at('none.txt'))).rejects.toThrow(told);
  await expect(checkReadable(at('none.txt'))).rejects.toThrow(told);
});

test('a pipe is not opened by the check: it gives its lines once', async () => {
  execFileSync('mkfifo', [at('pipe')]);
  await checkReadable(at('pipe')); // an open would wait for a writer
});
