import { UserError } from '../errors.js';

const REASONS: Record<string, string> = {
  ENOSPC: 'the disk is full; free some space or choose another output folder',
  EDQUOT: 'the disk quota is used up; free some space or choose another output folder',
  EACCES: 'no permission to write there; choose another output folder',
  EPERM: 'no permission to write there; choose another output folder',
  ENOTDIR: 'a part of its path is a file and not a folder; choose another output folder',
  ENOENT: 'no folder can be made there; choose another output folder',
  EEXIST: 'a part of its path is a file and not a folder; choose another output folder',
  EISDIR: 'is a folder, expected the name of a file to write',
  EBUSY: 'it is in use, by a mount or another program; choose another output folder',
  EIO: 'the disk reports an error; check it, or choose another output folder',
  EROFS: 'the disk is read-only; choose another output folder',
  EFBIG: 'the file is larger than its disk or a limit (ulimit -f) lets one be; choose another output folder',
  ENAMETOOLONG: 'the name is longer than its disk lets one be; choose a shorter one',
  ELOOP: 'its links lead round in a circle; choose another output folder',
};

/** A failure to write as a UserError that names what was written, where the cause is the user's to mend. */
export function asUserError(error: unknown, target: string): unknown {
  const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ''];
  return reason ? new UserError(`${target}: ${reason}`) : error;
}
