import { UserError } from '../src/errors.js';

/** What `read` gives of how images are prepared; its errors then name the way out. */
export function orByPreset<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${error.message}; or choose another preprocessing by --preset`);
  }
}
