import type { Stats } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.js';
import { asUserError } from './fileErrors.js';

/**
 * Checks that a file can be written, before long work whose result it is to hold: its folder is there and may be written
 * to, or can be made, no folder has its name, and it is none of the files that are read.
 *
 * @param inputs paths and other names of what the command reads
 * @throws UserError that names the file
 */
export async function checkOutput(path: string, inputs: readonly string[] = []): Promise<void> {
  if (path === '') throw new UserError('the name of the output file is an empty text');
  const found = await statOf(path);
  if (/[/\\]$/.test(path) || found?.isDirectory()) {
    throw new UserError(`${path}: is a folder, expected the name of a file to write`);
  }
  // A device or pipe would be put aside for the file, or waited for.
  if (found && !found.isFile()) {
    throw new UserError(`${path}: is no regular file; give the name of one, or of none that is there`);
  }
  for (const input of inputs) {
    if (resolve(input) !== resolve(path) && !(found && (await isSameFile(input, found)))) continue;
    throw new UserError(`${path}: is ${input}, which is read or written too; give the output its own name`);
  }
  await access(await existingFolder(path), constants.W_OK).catch((error) => {
    throw asUserError(error, path);
  });
}

/** By what the system tells: links and other spellings of a name are the file itself. */
async function isSameFile(input: string, { dev, ino }: Stats): Promise<boolean> {
  const found = await statOf(input);
  return found !== undefined && found.dev === dev && found.ino === ino;
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
