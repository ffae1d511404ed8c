import { withTimeLimit } from '../timeLimit.js';

/** Pieces of work in this process that were given up and have not ended. */
let unfinished = 0;

/** Whether work that was given up is still going on: a process with such a thread does not end by itself. */
export function hasUnfinishedWork(): boolean {
  return unfinished > 0;
}

/**
 * As withTimeLimit, for work that cannot be called off, e.g. a read from a file system that does not answer: what was
 * given up is counted until it ends.
 *
 * @param late makes the error
 */
export function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return withTimeLimit(work, ms, () => {
    unfinished++;
    work.catch(() => {}).finally(() => unfinished--);
    throw late();
  });
}
