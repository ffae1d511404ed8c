/**
 * Work shared out among threads that run the same kernel on the same memory: numbered chunks, taken in order. A queue is
 * four words of shared memory: chunks taken, chunks done, whether a thread failed, all zero when a kernel begins, and
 * how many threads there are. Builds without threads hand out the numbers with no memory at all.
 */

/** The next chunk, after `last` (-1 at first). */
// @ts-ignore: decorator
@inline
export function take(queue: usize, last: i32): i32 {
  if (ASC_FEATURE_THREADS) return atomic.add<i32>(queue, 1);
  return last + 1;
}

// @ts-ignore: decorator
@inline
export function finish(queue: usize): void {
  if (ASC_FEATURE_THREADS) atomic.add<i32>(queue, 1, 4);
}

/** Waits until the first `count` chunks are done. Pages' main threads may not sleep, so it spins. */
// @ts-ignore: decorator
@inline
export function waitFor(queue: usize, count: i32): void {
  if (!ASC_FEATURE_THREADS) return;
  while (atomic.load<i32>(queue, 4) < count) {
    if (atomic.load<i32>(queue, 8)) unreachable();
  }
}

// @ts-ignore: decorator
@inline
export function threadsOf(queue: usize): i32 {
  if (ASC_FEATURE_THREADS) return load<i32>(queue, 12);
  return 1;
}
