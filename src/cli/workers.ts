import { availableParallelism } from 'node:os';

/** Threads that `--workers` has by default. */
export function defaultWorkers(): number {
  return Math.min(16, availableParallelism());
}
