import { UserError } from '../../errors.js';

/** What to do where a place cannot be written: of the cache, and of a folder that the user gave. */
export type Elsewhere = 'set DEIT_CACHE to another folder' | 'choose another folder with --out';

const REASONS: Readonly<Record<string, (elsewhere: Elsewhere) => string>> = {
  ENOSPC: (elsewhere) =>
    `the disk is full; free some space (see deit cache list) and run it again to go on from there, or ${elsewhere}`,
  EDQUOT: (elsewhere) =>
    `the disk quota is used up; free some space (see deit cache list) and run it again, or ${elsewhere}`,
  EROFS: (elsewhere) => `the disk is read-only; ${elsewhere}`,
  EACCES: (elsewhere) => `no permission to write there; ${elsewhere}`,
  EPERM: (elsewhere) => `no permission to write there; ${elsewhere}`,
  ENOTDIR: (elsewhere) => `a part of its path is a file and not a folder; ${elsewhere}`,
  EEXIST: (elsewhere) => `a part of its path is a file and not a folder; ${elsewhere}`,
  EFBIG: (elsewhere) => `the file is larger than its disk or a limit (ulimit -f) lets one be; ${elsewhere}`,
  ENAMETOOLONG: (elsewhere) => `the name is longer than its disk lets one be; ${elsewhere}`,
  ENOENT: () => 'was removed while it was written; run it again',
};

/** Does work that writes into the cache, or a folder given; throws a UserError if that cannot be written. */
export async function inWords<T>(
  path: string,
  work: () => Promise<T>,
  elsewhere: Elsewhere = 'set DEIT_CACHE to another folder',
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ''];
    throw reason ? new UserError(`${path}: ${reason(elsewhere)}`) : error;
  }
}
