/** Pieces of work in this process that were given up and have not ended. */
let unfinished = 0;

/** Whether work that was given up is still going on: a process with such a thread does not end by itself. */
export function hasUnfinishedWork(): boolean {
  return unfinished > 0;
}

/**
 * What `work` gives, or rejects with `late()` if that takes longer than `ms` milliseconds. The work itself goes on: a
 * read from a file system that does not answer cannot be called off.
 */
export function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    let givenUp = false;
    const timer = setTimeout(() => {
      givenUp = true;
      unfinished++;
      reject(late());
    }, ms);
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      if (givenUp) unfinished--;
    });
  });
}
