import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { writeAll } from '../../src/node/writeAll.js';

test('more than 2 GiB go out in parts that Node takes', async () => {
  const parts: [number, number][] = [];
  const write = async (_: Uint8Array, offset: number, length: number) => {
    if (length > 2 ** 31 - 1) throw new RangeError('out of range');
    parts.push([offset, length]);
    return { bytesWritten: length };
  };
  // Never touched, so that it takes no memory.
  await writeAll({ write } as unknown as FileHandle, new Uint8Array(2 ** 31 + 5));
  expect(parts.reduce((sum, [, length]) => sum + length, 0)).toBe(2 ** 31 + 5);
  expect(parts.map(([offset]) => offset)).toEqual([0, 2 ** 30, 2 ** 31]);
});

test('what the system takes in smaller parts is whole', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'deit-write-'));
  const file = await open(join(folder, 'file'), 'w');
  const few = {
    write: (bytes: Uint8Array, offset: number, length: number, place: number | null) =>
      file.write(bytes, offset, Math.min(3, length), place),
  };
  try {
    await writeAll(few as FileHandle, Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]), { position: 2 });
    expect([...(await readFile(join(folder, 'file')))]).toEqual([0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
});
