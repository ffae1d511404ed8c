import { type FileHandle, open, stat } from 'node:fs/promises';
import { checkRange } from '../../converters/formats/sources.js';
import type { ByteSource } from '../../converters/formats/types.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';

/** Node reads at most 2 GiB at once. */
const MAX_READ = 2 ** 30;

/** Closes files whose sources nobody closed and nobody has any more: from Node 25 on that would be an error of the process. */
const forgotten = new FinalizationRegistry((handle: FileHandle) => void handle.close().catch(() => {}));

/**
 * Opens a file for random access; nothing of it is kept in memory. Close it when the last tensor has been read.
 * Throws a UserError if there is no such file, it is a folder, or it may not be read.
 */
export async function openFileSource(path: string): Promise<ByteSource & { close(): Promise<void> }> {
  checkArguments('openFileSource', { path: ['path', path] });
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    // Sources are copied under other names: what they share is this object.
    const file = { handle };
    forgotten.register(file, handle, file);
    return {
      name: path,
      size,
      async read(offset, length) {
        checkRange(path, size, offset, length);
        return readFully(file.handle, path, offset, length);
      },
      close() {
        forgotten.unregister(file);
        return file.handle.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    // Looked at before it is opened: a pipe would wait for a writer.
    const info = await stat(path);
    if (!info.isFile()) {
      const found = info.isDirectory() ? 'a folder' : info.isFIFO() ? 'a pipe' : 'a device';
      throw new UserError(`${path}: expected a checkpoint file, found ${found}.`);
    }
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new UserError(`${path}: no such file; check the path of the checkpoint.`);
    throw new UserError(`${path}: cannot be opened for reading (${code ?? String(error)}).`);
  }
}

async function readFully(
  handle: FileHandle,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(MAX_READ, length - done), offset + done);
    if (bytesRead === 0) {
      throw new UserError(
        `${path}: ends at byte ${offset + done}, though it was longer when opened; is it still being written?`,
      );
    }
    done += bytesRead;
  }
  return bytes;
}
