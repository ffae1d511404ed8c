import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.js';
import { asUserError } from './fileErrors.js';
import { makeFolder } from './makeFolder.js';
import { isAlive } from './processes.js';

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
}

/** Locks that this very process holds: another process may once have had its number. */
const held = new Set<string>();

/** What a lock is for, for its errors. */
export interface LockWords {
  /** What the process that has it does, e.g. `training into this folder`. */
  readonly doing: string;
  /** What another one is to do instead. */
  readonly instead: string;
}

/**
 * Takes a lock file for this process: it says who has it. A lock whose process is gone (killed, the machine restarted) is
 * taken over.
 *
 * @returns gives the lock free again
 * @throws UserError that names the process which has it
 */
export async function lockPath(given: string, words: LockWords): Promise<() => Promise<void>> {
  const path = resolve(given);
  await makeFolder(dirname(path));
  const own: Owner = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  const text = JSON.stringify(own);
  while (true) {
    try {
      await writeFile(path, text, { flag: 'wx' });
      held.add(path);
      return async () => {
        held.delete(path);
        await rm(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        // Created but not yet written.
        await rm(path, { force: true });
        throw asUserError(error, path);
      }
    }
    await removeStale(path, words);
  }
}

/** Removes a lock whose process is gone; a lock that is held is an error. */
async function removeStale(path: string, { doing, instead }: LockWords): Promise<void> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new UserError(
      `${path}: cannot be read (${error.code}), so that nobody can tell which run has this lock; ` +
        `${instead}, or delete it if no run has`,
    );
  });
  if (text === undefined) return;
  const owner = parse(text);
  if (owner && owner.host !== hostname()) {
    throw new UserError(
      `${path}: a run on the machine ${owner.host} (process ${owner.pid}) has been ${doing} since ${owner.since}; ` +
        `${instead}, or delete the file if that run is gone`,
    );
  }
  const alive = owner && (owner.pid === process.pid ? held.has(path) : isAlive(owner.pid));
  if (owner && alive) {
    throw new UserError(`${path}: process ${owner.pid} has been ${doing} since ${owner.since}; ${instead}`);
  }
  // Moved, not deleted: if another process took the folder meanwhile, it is its lock that was moved, and goes back.
  const aside = `${path}.stale-${process.pid}`;
  await rename(path, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw asUserError(error, path);
  });
  const moved = await readFile(aside, 'utf8').catch(() => undefined);
  if (moved !== undefined && moved !== text) await rename(aside, path);
  else await rm(aside, { force: true });
}

function parse(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Owner;
    return Number.isInteger(owner.pid) ? owner : undefined;
  } catch {
    return undefined;
  }
}
