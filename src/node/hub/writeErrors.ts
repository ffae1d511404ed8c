import { UserError } from '../../errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space (see deit cache list) and run it again to go on from there',
  EDQUOT: 'the disk quota is used up; free some space (see deit cache list) and run it again',
  EROFS: 'the disk is read-only; set DEIT_CACHE to a folder that can be written',
  EACCES: 'no permission to write there; set DEIT_CACHE to a folder that can be written',
  EPERM: 'no permission to write there; set DEIT_CACHE to a folder that can be written',
  ENOTDIR: 'a part of its path is a file and not a folder; set DEIT_CACHE to another folder',
  EEXIST: 'a part of its path is a file and not a folder; set DEIT_CACHE to another folder',
  ENOENT: 'was removed while it was written; run it again',
};

/** Does work that writes into the cache; throws a UserError if that cannot be written. */
export async function inWords<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ''];
    throw reason ? new UserError(`${path}: ${reason}`) : error;
  }
}
