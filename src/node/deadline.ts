/**
 * What `work` gives, or rejects with `late()` if that takes longer than `ms` milliseconds. The work itself goes on: a
 * read from a file system that does not answer cannot be called off.
 */
export function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
