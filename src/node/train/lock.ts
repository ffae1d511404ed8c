import { join } from 'node:path';
import { lockPath } from '../lock.js';

/**
 * Takes a folder for this process, by the lock file train.lock in it (as lockPath).
 *
 * @returns gives the folder free again
 * @throws UserError that names the process which has the folder
 */
export function lockFolder(folder: string): Promise<() => Promise<void>> {
  return lockPath(join(folder, 'train.lock'), {
    doing: 'training into this folder',
    instead: 'choose another output folder',
  });
}
