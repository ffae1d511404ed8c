import { mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { writeFileAtomically } from '../../src/node/atomicFile.js';
import { checkOutput } from '../../src/node/checkOutput.js';
import { JsonLinesWriter } from '../../src/node/jsonLines.js';
import { failure } from '../failure.js';

const folder = mkdtempSync(join(tmpdir(), 'deit-output-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'a.txt');
writeFileSync(file, 'old');

test('a file that is there, or could be made, is none too early', async () => {
  await checkOutput(file);
  await checkOutput(join(folder, 'new', 'folder', 'b.txt'));
  await checkOutput('c.txt');
});

test('a file that is read is refused, by whatever name', async () => {
  const link = join(folder, 'link.txt');
  symlinkSync(file, link);
  const message = /: is .*a\.txt, which is read or written too; give the output its own name$/;
  expect(await failure(checkOutput(file, ['hf:a/b', file]))).toMatch(message);
  expect(await failure(checkOutput(link, [file]))).toMatch(message);
  expect(await failure(checkOutput(join(folder, '.', 'a.txt'), [file]))).toMatch(message);
  await checkOutput(join(folder, 'b.txt'), [file]);
  expect(await failure(checkOutput(join(folder, 'b.txt'), [join(folder, 'b.txt')]))).toMatch(/b\.txt, which/);
  rmSync(link);
});

test.each<[string, string, RegExp]>([
  ['no name', '', /^the name of the output file is an empty text$/],
  ['a folder', folder, /: is a folder, expected the name of a file to write$/],
  ['a name of a folder', `${join(folder, 'new')}/`, /: is a folder/],
  ['below a file', join(file, 'new', 'b.txt'), /a\.txt is a file and not a folder; choose another/],
  ['a device', '/dev/null', /^\/dev\/null: is no regular file; give the name of one/],
])('%s is refused', async (_, path, message) => {
  expect(await failure(checkOutput(path))).toMatch(message);
});

test('a link to a file stays when the file is replaced', async () => {
  const link = join(folder, 'latest.txt');
  symlinkSync('a.txt', link);
  await writeFileAtomically(link, [new TextEncoder().encode('new')]);
  expect(readlinkSync(link)).toBe('a.txt');
  expect(readFileSync(file, 'utf8')).toBe('new');
});

test('lines are written to regular files alone, whose folder is made', async () => {
  expect(await failure(JsonLinesWriter.create('/dev/null'))).toMatch(/is no regular file, in which lines/);
  expect(await failure(JsonLinesWriter.create(folder))).toMatch(/is a folder, expected the name of a file/);
  const writer = await JsonLinesWriter.create(join(folder, 'x', 'lines.jsonl'));
  await writer.write(1);
  await writer.close();
  expect(readFileSync(join(folder, 'x', 'lines.jsonl'), 'utf8')).toBe('1\n');
});
