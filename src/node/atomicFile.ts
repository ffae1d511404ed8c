import { open, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { asUserError } from './fileErrors.js';
import { removeLeftovers } from './leftovers.js';
import { makeFolder } from './makeFolder.js';
import { removeAtSignal } from './removeAtSignal.js';
import { writeAll } from './writeAll.js';

/**
 * Writes a file beside its place, makes sure that it is on the disk and renames it: it is there whole, or as it was. A link
 * that stands for the file stays.
 */
export async function writeFileAtomically(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const place = await realpath(path).catch(() => path);
  const prefix = `.${basename(place)}.partial-`;
  const beside = join(dirname(place), prefix + process.pid);
  await removeLeftovers(dirname(place), prefix);
  const written = removeAtSignal(beside);
  try {
    await writeSynced(beside, chunks, 'w');
    await rename(beside, place);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {}); // the first error tells more
    throw asUserError(error, path);
  } finally {
    written();
  }
}

/** Writes a file in its place, its folder too, and makes sure that it is on the disk. `flags` are open's: w, wx. */
export async function writeSynced(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  flags: string,
): Promise<void> {
  await makeFolder(dirname(path));
  const file = await open(path, flags);
  try {
    for await (const chunk of chunks) await writeAll(file, chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}
