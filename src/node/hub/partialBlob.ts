import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../errors.js';
import type { PartialContent } from '../../hub/store.js';
import { megabytes } from '../partialFile.js';
import { writeAll } from '../writeAll.js';
import { type Elsewhere, inWords } from './writeErrors.js';

export interface PartialBlob extends PartialContent {
  /** Makes sure that the content is on the disk and gives it its name. */
  finish(): Promise<void>;
  /** Leaves it for a later run; one with no bytes is removed. */
  close(): Promise<void>;
}

/**
 * Opens what an earlier run left of a file, or an empty one; it lies in `TARGET.partial` until it is whole.
 *
 * @param total bytes that the file will have, if that is known
 * @param mayWrite called before each write; throws if another process has the file by now
 * @param elsewhere what to do where it cannot be written, for messages; by default to set DEIT_CACHE
 * @throws UserError if the disk has no room for it, or the folder cannot be written
 */
export async function openPartialBlob(
  target: string,
  total: number | undefined,
  mayWrite: () => Promise<void>,
  elsewhere?: Elsewhere,
): Promise<PartialBlob> {
  const path = `${target}.partial`;
  const write = <T>(work: () => Promise<T>) => inWords(path, work, elsewhere);
  const file = await write(() => openToAppend(path));
  let size = 0;
  try {
    size = (await stat(path)).size;
    await requireRoom(path, (total ?? 0) - size, elsewhere);
  } catch (error) {
    await file.close();
    throw error;
  }
  let isOpen = true;
  return {
    get size() {
      return size;
    },
    async restart() {
      await mayWrite();
      // A device in its place cannot be cut.
      if (size > 0) await write(() => file.truncate(0));
      size = 0;
    },
    async append(bytes) {
      await mayWrite();
      const onWritten = (count: number) => {
        size += count;
      };
      await write(() => writeAll(file, bytes, { position: size, onWritten }));
    },
    content: () =>
      size === 0 ? nothing() : createReadStream(path, { end: size - 1, highWaterMark: 2 ** 20 }),
    async finish() {
      await mayWrite();
      await write(async () => {
        await file.sync();
        isOpen = false;
        await file.close();
        await rename(path, target);
      });
    },
    async close() {
      if (!isOpen) return;
      isOpen = false;
      await file.close();
      if (size > 0) return;
      await mayWrite().then(
        () => rm(path, { force: true }),
        () => {}, // another process has it
      );
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return open(path, 'w+');
  }
}

async function requireRoom(path: string, missing: number, elsewhere?: Elsewhere): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const free = bavail * bsize;
  if (missing <= free) return;
  throw new UserError(
    `${path}: needs ${megabytes(missing)} MB more, the disk has ${megabytes(free)} MB free; free some space ` +
      `(see deit cache list), or ${elsewhere ?? 'set DEIT_CACHE to another folder'}, on another disk`,
  );
}
