import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those around it that are not there. Node's own recursive mkdir tries again without end where a file
 * system answers ENOENT in a folder that is there, as /proc and automounts do.
 *
 * @returns the first folder that was made, or undefined if all were there
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    if (await isFolder(path)) return undefined;
    const parent = dirname(path);
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' || parent === path || (await isFolder(parent))) throw error;
    const first = await makeFolder(parent);
    return (await makeFolder(path)) === undefined ? first : (first ?? path);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
