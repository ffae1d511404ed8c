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

test('a line ends as on Windows, on Unix or as on old Macs', async () => {
  writeFileSync(at('ends.txt'), 'a\rb\r\nc\nd\r');
  expect(await readLines(at('ends.txt'))).toEqual(['a', 'b', 'c', 'd']);
});

test.each([
  [
    'Latin-1',
    Buffer.from('z\xe9ro\n', 'latin1'),
    /latin\.txt: expected text in UTF-8, found other bytes; save it as UTF-8$/,
  ],
  ['UTF-16', Buffer.from('\ufeffzero\n', 'utf16le'), /found UTF-16; save it as UTF-8$/],
])('%s is refused: its letters would be others', async (_, bytes, message) => {
  writeFileSync(at('latin.txt'), bytes);
  await expect(readLines(at('latin.txt'))).rejects.toThrow(message);
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
