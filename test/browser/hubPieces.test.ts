/** Files in pieces, in a cache that gives no more room; needs no browser. */
import { expect, test } from '@jest/globals';
import { type ContentCache, memoryCache, spillingCache } from '../../src/browser/hub/contentCache.js';
import {
  openPieces,
  PIECE_BYTES,
  pieceSource,
  readManifest,
  removeFile,
} from '../../src/browser/hub/pieces.js';
import { pattern, sha256 } from '../hub/hubServer.js';

const BYTES = pattern(PIECE_BYTES * 2 + 1234);
const KEY = 'a'.repeat(64);

/** As a browser's cache with room for so many bytes. */
function smallCache(room: number): ContentCache & { used(): number } {
  const memory = memoryCache();
  let used = 0;
  return {
    ...memory,
    isKept: true,
    used: () => used,
    async put(name, bytes) {
      if (used + bytes.length > room) throw new DOMException('full', 'QuotaExceededError');
      used += bytes.length - ((await memory.size(name)) ?? 0);
      await memory.put(name, bytes);
    },
    async delete(name) {
      used -= (await memory.size(name)) ?? 0;
      await memory.delete(name);
    },
  };
}

async function fill(cache: ContentCache, key = KEY, bytes = BYTES): Promise<void> {
  const pieces = await openPieces(cache, key);
  for (let at = pieces.size; at < bytes.length; at += 100_000)
    await pieces.append(bytes.subarray(at, at + 100_000));
  await pieces.finish(`a/b/${key}`);
}

test('whole pieces stay for the next time, the rest is asked for again', async () => {
  const cache = memoryCache();
  const first = await openPieces(cache, KEY);
  await first.append(BYTES.subarray(0, PIECE_BYTES + 5));
  expect(first.size).toBe(PIECE_BYTES + 5);
  expect(await readManifest(cache, KEY)).toBeUndefined();
  const second = await openPieces(cache, KEY);
  expect(second.size).toBe(PIECE_BYTES);
  await fill(cache);
  const source = pieceSource(cache, KEY, (await readManifest(cache, KEY))!);
  expect(source).toMatchObject({ name: `a/b/${KEY}`, size: BYTES.length });
  expect(sha256(await source.read(0, BYTES.length))).toBe(sha256(BYTES));
  for (const [offset, length] of [
    [0, 3],
    [PIECE_BYTES - 1, 2],
    [PIECE_BYTES, 1],
    [PIECE_BYTES - 1, PIECE_BYTES + 2],
    [BYTES.length - 1, 1],
    [BYTES.length, 0],
  ] as const) {
    const expected = BYTES.subarray(offset, offset + length);
    expect(Buffer.compare(await source.read(offset, length), expected)).toBe(0);
  }
  await expect(source.read(BYTES.length, 1)).rejects.toThrow(/but the file ends at byte/);
  await removeFile(cache, KEY);
  expect(await cache.names('')).toEqual([]);
});

test('no more room: what can go goes, the rest stays in memory, and it is said once', async () => {
  const small = smallCache(PIECE_BYTES + 3000);
  let spilled = 0;
  await fill(small, 'old', BYTES.subarray(0, 5000));
  const cache = spillingCache(
    small,
    async (full) => {
      const isThere = (await full.names('files/old')).length > 0;
      await removeFile(full, 'old');
      return isThere;
    },
    () => spilled++,
  );
  await fill(cache);
  expect(await readManifest(small, 'old')).toBeUndefined();
  expect(spilled).toBe(1);
  // The next visit does not find a file of which a part was in memory.
  expect(await readManifest(small, KEY)).toBeUndefined();
  expect(small.used()).toBeLessThanOrEqual(PIECE_BYTES + 3000);
  const source = pieceSource(cache, KEY, (await readManifest(cache, KEY))!);
  expect(sha256(await source.read(0, BYTES.length))).toBe(sha256(BYTES));
});

test('another error than a full cache is not taken for one', async () => {
  const broken = { ...memoryCache(), put: () => Promise.reject(new Error('broken')) };
  const cache = spillingCache(
    broken,
    async () => false,
    () => {},
  );
  await expect(cache.put('x', new Uint8Array(1))).rejects.toThrow('broken');
});
