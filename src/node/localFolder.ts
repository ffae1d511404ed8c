import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteSource } from '../../converters/formats/types.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import {
  type FolderFiles,
  readTextOf,
  refuseLfsPointer,
  requireInnerPath,
  requireTextSize,
} from '../hub/folderFiles.js';
import { openFileSource } from './fileSource.js';

/**
 * The files of a folder on the disk. `list` gives the folder's own files; `readText` and `open` also take paths into
 * folders below. Links are followed to plain files, wherever these are: a cache links to its blobs, people link to other
 * disks. A path that leads out of the folder is refused.
 *
 * @throws UserError if there is no such folder, or it cannot be read
 */
export async function openLocalFolder(path: string): Promise<FolderFiles> {
  checkArguments('openLocalFolder', { path: ['path', path] });
  const info = await inspect(path);
  if (!info) throw new UserError(`${path}: no such folder; check the path`);
  if (!info.isDirectory()) throw new UserError(`${path}: expected a folder, found ${kindOf(info)}`);
  const opened: { close(): Promise<void> }[] = [];

  const find = async (inner: string): Promise<(ByteSource & { close(): Promise<void> }) | undefined> => {
    requireInnerPath(path, inner);
    const full = join(path, ...inner.split('/'));
    const found = await inspect(full);
    if (!found) return undefined;
    // A device or a pipe is not opened at all: that can wait for ever.
    if (!found.isFile()) throw new UserError(`${full}: expected a file, found ${kindOf(found)}`);
    return openFileSource(full);
  };

  return {
    name: path,
    notes: [],
    async list() {
      const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
        throw new UserError(`${path}: cannot be read (${error.code})`);
      });
      const kinds = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => undefined)));
      return names.filter((_, i) => kinds[i]?.isFile()).sort();
    },
    async readText(inner) {
      const source = await find(inner);
      try {
        if (!source) return undefined;
        requireTextSize(source.name, source.size);
        await refusePointer(source);
        return await readTextOf(source);
      } finally {
        await source?.close();
      }
    },
    async open(inner) {
      const source = await find(inner);
      if (!source) throw new UserError(`${join(path, inner)}: no such file; check the folder`);
      opened.push(source);
      await refusePointer(source);
      return source;
    },
    async close() {
      await Promise.all(opened.splice(0).map((source) => source.close()));
    },
  };
}

function refusePointer(source: ByteSource): Promise<void> {
  return refuseLfsPointer(
    source,
    'fetch the file with `git lfs pull`, or download the folder in another way',
  );
}

/** Undefined if there is nothing. */
async function inspect(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP') throw new UserError(`${path}: is a link that leads to itself`);
    throw new UserError(`${path}: cannot be read (${code})`);
  }
}

function kindOf(info: { isDirectory(): boolean; isFile(): boolean; isFIFO(): boolean; isSocket(): boolean }) {
  if (info.isFile()) return 'a file';
  if (info.isDirectory()) return 'a folder';
  if (info.isFIFO()) return 'a pipe';
  return info.isSocket() ? 'a socket' : 'a device';
}
