import { expect, test } from '@jest/globals';
import { askedWait } from '../../src/hub/connection.js';
import { isInnerPath } from '../../src/hub/folderFiles.js';
import { hashOfEtag, parseListing } from '../../src/hub/listing.js';

const COMMIT = '3f49326eb077187dfe1c2a2bb15fbd74e6ab91e3';
const SHA256 = 'a'.repeat(64);

test("the hub's list of files: sizes, Git's hashes, those of files in LFS", () => {
  const answer = {
    id: 'a/b',
    sha: COMMIT,
    siblings: [
      { rfilename: 'model.safetensors', size: 5, blobId: 'b'.repeat(40), lfs: { sha256: SHA256, size: 5 } },
      { rfilename: 'config.json', size: 3, blobId: 'c'.repeat(40) },
      { rfilename: 'bare.txt' },
      { rfilename: '../../etc/passwd', size: 1 },
      { rfilename: 7 },
      { rfilename: 'odd.txt', size: -1, blobId: '../x' },
    ],
  };
  expect(parseListing('a/b', JSON.stringify(answer), 'HF_ENDPOINT')).toEqual({
    commit: COMMIT,
    files: [
      { path: 'bare.txt' },
      { path: 'config.json', size: 3, hash: { algorithm: 'git-sha1', hex: 'c'.repeat(40) } },
      { path: 'model.safetensors', size: 5, hash: { algorithm: 'sha256', hex: SHA256 } },
      { path: 'odd.txt' },
    ],
  });
});

test.each([
  '',
  'no',
  '[]',
  'null',
  '{"sha":"main","siblings":[]}',
  `{"sha":"${COMMIT}"}`,
])('%j is no list of files', (text) => {
  expect(() => parseListing('https://hub/a/b', text, 'HF_ENDPOINT')).toThrow(
    /^https:\/\/hub\/a\/b: .*is HF_ENDPOINT the address of/,
  );
});

test('ETags that are a hash, and others', () => {
  const hash = { algorithm: 'sha256', hex: SHA256 };
  for (const etag of [SHA256, `"${SHA256}"`, `W/"${SHA256}"`]) expect(hashOfEtag(etag)).toEqual(hash);
  for (const etag of [null, '', '"1"', `"${'a'.repeat(40)}"`, `"${SHA256}-2"`])
    expect(hashOfEtag(etag)).toBeUndefined();
});

test('the wait that a busy server asks for', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const wait = (headers: Record<string, string>) => askedWait(new Headers(headers), now);
  expect(wait({ 'retry-after': '7' })).toBe(7000);
  expect(wait({ 'retry-after': 'Thu, 01 Jan 2026 00:00:09 GMT' })).toBe(9000);
  expect(wait({ 'retry-after': 'Thu, 01 Jan 2025 00:00:09 GMT' })).toBe(0);
  expect(wait({ ratelimit: '"api";r=0;t=55' })).toBe(55_000);
  expect(wait({ 'retry-after': 'soon' })).toBeUndefined();
  expect(wait({})).toBeUndefined();
});

test('paths that stay inside a folder', () => {
  for (const path of ['a', 'a/b.json', '.gitattributes', 'a..b', '~']) expect(isInnerPath(path)).toBe(true);
  for (const path of ['', '/a', '..', 'a/../b', './a', 'a//b', 'a/', 'a\\b', 'C:a', 'C:/a', 'a\0'])
    expect(isInnerPath(path)).toBe(false);
});
