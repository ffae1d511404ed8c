import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from './processes.js';

/**
 * Removes what runs left behind that were killed before they could undo their work.
 *
 * @param prefix what the names begin with; the number of the process follows
 */
export async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const process = name.slice(prefix.length);
    if (!name.startsWith(prefix) || !/^\d+$/.test(process) || isAlive(Number(process))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
