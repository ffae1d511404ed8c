import { readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * Puts a new folder in the place of one that may be there. The old one steps aside first and comes back if the new one
 * cannot take its place: there is no moment with half of either.
 */
export async function replaceFolder(fresh: string, folder: string): Promise<void> {
  const old = `${fresh}-old`;
  let hadOld = true;
  await rename(folder, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    hadOld = false;
  });
  try {
    await rename(fresh, folder);
  } catch (error) {
    if (hadOld) await rename(old, folder);
    throw error;
  }
  if (hadOld) await rm(old, { recursive: true, force: true });
}

/**
 * Moves the files of a new folder, which lies in `folder`, into it, and removes what else is there. The files that tell
 * what is in it go first and come last. What other processes are writing there, by names like that of `fresh`, stays.
 */
export async function refillFolder(fresh: string, folder: string, indices: readonly string[]): Promise<void> {
  const partial = basename(fresh).replace(/\d+$/, '');
  const old = (await readdir(folder)).filter((name) => !name.startsWith(partial));
  for (const name of inOrder(old, indices).reverse()) await rm(join(folder, name), { recursive: true });
  for (const name of inOrder(await readdir(fresh), indices)) {
    await rename(join(fresh, name), join(folder, name));
  }
  await rm(fresh, { recursive: true });
}

/** Names with the indices at the end. */
function inOrder(names: readonly string[], indices: readonly string[]): string[] {
  const isLast = (name: string) => Number(indices.includes(name));
  return [...names].sort((a, b) => isLast(a) - isLast(b));
}
