import { rename, rm, writeFile } from 'node:fs/promises';
import { UserError } from '../errors.js';

/** Writes a file beside its place, then renames it: it is there whole or not at all. Throws a UserError. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(beside, content);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`${path}: cannot be written (${code === 'ENOSPC' ? 'the disk is full' : code})`);
  }
}
