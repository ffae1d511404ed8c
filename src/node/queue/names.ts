import { SHARD_VERSION } from './shard.js';

/**
 * Work for a model waits in a queue of its own, so that a worker with another model, or another version of it or of this
 * package's protocol, never gets it.
 */
export function queueName(fingerprint: string): string {
  return `deit-eval-v${SHARD_VERSION}-${fingerprint.slice(0, 16)}`;
}

/** Redis key of a sorted set: the queues that have work, by the time (Unix ms) when their owner last said so. */
export const OPEN_QUEUES = 'deit-eval:open';

/** How often an evaluation says that it has work, in milliseconds. */
export const ANNOUNCE_MS = 5_000;

/** Redis key that is there while an evaluation runs: workers drop the shards of one that is gone. */
export function runKey(run: string): string {
  return `deit-eval:run:${run}`;
}

/** How long an evaluation that says nothing counts as running, in milliseconds. */
export const RUN_TTL_MS = 30_000;

/** Why a worker returns a shard of an evaluation that is gone. Only a coordinator that was suspended reads it. */
export const GONE = 'its evaluation is gone';
