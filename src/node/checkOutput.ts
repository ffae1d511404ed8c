import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../errors.js';
import { asUserError } from './fileErrors.js';

/**
 * Checks that a file can be written, before long work whose result it is to hold: its folder is there and may be written
 * to, or can be made, and no folder has its name.
 *
 * @throws UserError that names the file
 */
export async function checkOutput(path: string): Promise<void> {
  if (path === '') throw new UserError('the name of the output file is an empty text');
  const found = await statOf(path);
  if (/[/\\]$/.test(path) || found?.isDirectory()) {
    throw new UserError(`${path}: is a folder, expected the name of a file to write`);
  }
  // A device or pipe would be put aside for the file, or waited for.
  if (found && !found.isFile()) {
    throw new UserError(`${path}: is no regular file; give the name of one, or of none that is there`);
  }
  await access(await existingFolder(path), constants.W_OK).catch((error) => {
    throw asUserError(error, path);
  });
}

const statOf = (path: string) => stat(path).catch(() => undefined);

/** The innermost folder of a path that is there: those below it will be made. */
async function existingFolder(path: string): Promise<string> {
  const folder = dirname(path);
  const found = await statOf(folder);
  if (found?.isDirectory()) return folder;
  if (found)
    throw new UserError(`${path}: ${folder} is a file and not a folder; choose another output folder`);
  return folder === dirname(folder) ? folder : existingFolder(folder);
}
