import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { UserError } from '../errors.js';
import { asUserError } from './fileErrors.js';
import { removeLeftovers } from './leftovers.js';
import { makeFolder } from './makeFolder.js';
import { replaceFolder } from './replaceFolder.js';

/**
 * Makes a folder of installed files, whole or not at all: `build` fills a new folder beside it, which takes its place
 * when all is well; else nothing is left of it, and what was there before stays.
 *
 * @param manifest file that says, by being there, that this program made the folder
 * @param variable name of the environment variable that names another folder, for messages
 * @throws UserError if the folder holds other files, what `build` throws, or that it was interrupted
 */
export async function installFolder<T>(
  folder: string,
  manifest: string,
  variable: string,
  signal: AbortSignal | undefined,
  build: (fresh: string) => Promise<T>,
): Promise<T> {
  await requireReplaceable(folder, manifest, variable);
  await removeLeftovers(dirname(folder), basename(partialFolder(folder, '')));
  const fresh = partialFolder(folder, process.pid);
  try {
    await makeFolder(fresh);
    const result = await build(fresh);
    await replaceFolder(fresh, folder);
    return result;
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (signal?.aborted) throw new UserError('interrupted; nothing is installed');
    throw asUserError(error, folder);
  }
}

const partialFolder = (folder: string, pid: number | string) => `${folder}.partial-${pid}`;

/** Only what was made here is replaced: the variable may name anything. */
async function requireReplaceable(folder: string, manifest: string, variable: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0 || existsSync(manifest)) return;
  throw new UserError(`${folder}: holds other files; set ${variable} to a new folder`);
}
