import { rename, rm } from 'node:fs/promises';

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
