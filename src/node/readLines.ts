import { access, constants, readFile } from 'node:fs/promises';
import { UserError } from '../errors.js';

/** The lines of a text file, without the last line's end and a byte order mark. Throws a UserError if it cannot be read. */
export async function readLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw unreadable(path, error);
  });
  return text
    .replace(/^\ufeff/, '')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
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
