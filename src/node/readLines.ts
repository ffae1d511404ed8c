import { readFile } from 'node:fs/promises';
import { UserError } from '../errors.js';

/** The lines of a text file, without the last line's end and a byte order mark. Throws a UserError if it cannot be read. */
export async function readLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${path}: cannot be read (${error.code})`);
  });
  return text
    .replace(/^\ufeff/, '')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
}
