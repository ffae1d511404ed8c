/**
 * Work for a model waits in a queue of its own, so that a worker with another model, or another version of it, never
 * gets it.
 */
export function queueName(fingerprint: string): string {
  return `deit-eval-${fingerprint.slice(0, 16)}`;
}

/** Redis key of a sorted set: the queues that have work, by the time (Unix ms) when their owner last said so. */
export const OPEN_QUEUES = 'deit-eval:open';

/** How often an evaluation says that it has work, in milliseconds. */
export const ANNOUNCE_MS = 5_000;
