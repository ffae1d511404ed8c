import { homedir, userInfo } from 'node:os';
import { isAbsolute } from 'node:path';

/** What Debian gives users without a home: nothing is found there, and nothing can be written. */
const NO_HOME = '/nonexistent';

/**
 * The user's home folder. Where HOME is not set, empty or relative, the system's list of users tells; in containers whose
 * user is a bare number nothing does, and Node's homedir throws.
 */
export function homeFolder(): string {
  return [homedir, () => userInfo().homedir].map(orNothing).find((folder) => isAbsolute(folder)) ?? NO_HOME;
}

function orNothing(ask: () => string): string {
  try {
    return ask();
  } catch {
    return '';
  }
}
