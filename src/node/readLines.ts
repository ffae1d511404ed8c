import { access, constants, readFile } from 'node:fs/promises';
import { decodeLines } from '../decodeText.js';
import { UserError } from '../errors.js';

/**
 * The lines of a text file, as decodeLines splits it.
 *
 * @throws UserError if it cannot be read, or is not UTF-8
 */
export async function readLines(path: string): Promise<string[]> {
  const bytes = await readFile(path).catch((error) => {
    throw unreadable(path, error);
  });
  return decodeLines(bytes, path);
}

/** Throws readLines' error for a file that is not there or may not be read, and leaves it unread: a pipe gives its lines once. */
export async function checkReadable(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((error) => {
    throw unreadable(path, error);
  });
}

function unreadable(path: string, { code }: NodeJS.ErrnoException): UserError {
  return new UserError(`${path}: cannot be read (${code})`);
}
