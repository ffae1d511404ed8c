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

/**
 * A thread's way through a kernel whose work comes in stages of several chunks: a stage begins once every chunk of those
 * before it is done.
 *
 *     for (let chunk = openStage(stages, count); chunk >= 0; chunk = nextChunk(stages)) …
 */
// @ts-ignore: decorator
@unmanaged
export class Stages {
  queue: usize;
  /** The thread's chunk, counted over all stages, as `start` and `end` of the stage are. */
  ticket: i32;
  start: i32;
  end: i32;
}

export function beginStages(stages: Stages, queue: usize): void {
  stages.queue = queue;
  stages.ticket = take(queue, -1);
  stages.start = 0;
  stages.end = 0;
}

/** The thread's first chunk of the next stage, which has `chunks`; -1 if others have taken them all. */
export function openStage(stages: Stages, chunks: i32): i32 {
  stages.start = stages.end;
  stages.end += chunks;
  if (stages.ticket < stages.end) waitFor(stages.queue, stages.start);
  return chunkOf(stages);
}

/** The thread's next chunk of the stage, its last one being done; -1 if there is none. */
export function nextChunk(stages: Stages): i32 {
  finish(stages.queue);
  stages.ticket = take(stages.queue, stages.ticket);
  return chunkOf(stages);
}

// @ts-ignore: decorator
@inline
function chunkOf(stages: Stages): i32 {
  return stages.ticket < stages.end ? stages.ticket - stages.start : -1;
}
