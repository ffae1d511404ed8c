import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { UserError } from '../../errors.js';
import type { ScoredBatch } from '../../evaluate/index.js';
import type { ScoreJob } from '../scorePool.js';
import { outageLog, parseRedisUrl, requireRedis } from './connection.js';
import { ANNOUNCE_MS, OPEN_QUEUES, queueName } from './names.js';
import { encodeResult, locateFiles, requireShard, type ShardResult } from './shard.js';

export interface QueueWorkerOptions {
  /** Address of Redis. */
  readonly url: string;
  /** modelFingerprint of this worker's model. */
  readonly fingerprint: string;
  /** Folder that the files of a shard lie below. */
  readonly dataFolder: string;
  /** Classifies a batch of pictures. */
  readonly score: (job: ScoreJob) => Promise<ScoredBatch>;
  /** The tfjs backend that `score` runs on. */
  readonly backend: string;
  /** Side lengths of the model's input in pixels, [height, width]. */
  readonly imgSize: readonly [number, number];
  /** Number of shards to be in work at once. */
  readonly concurrency: number;
  /** A worker that shows no sign of life for so long loses its shards to others, in milliseconds. */
  readonly lockMs?: number;
  /** Ends the work once there was none for so many seconds; by default it waits for ever. */
  readonly idleSeconds?: number;
  /** Ends the work when it aborts, after the shards in work. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** What a worker did. */
export interface QueueWorkerResult {
  readonly shards: number;
  readonly images: number;
  readonly failed: number;
}

const LOCK_MS = 15_000;
/** A shard may lose its worker so often: any number of machines may be switched off, but not by the shard itself. */
const MAX_STALLED = 10;

/**
 * Takes shards of evaluations of this worker's model from a queue until the signal aborts, or it was idle for long
 * enough. Throws a UserError if Redis or the data folder cannot be used.
 */
export async function runQueueWorker(options: QueueWorkerOptions): Promise<QueueWorkerResult> {
  const { fingerprint, score, log, lockMs = LOCK_MS, idleSeconds = Number.POSITIVE_INFINITY } = options;
  const address = parseRedisUrl(options.url);
  await requireRedis(address);
  const root = await realpath(options.dataFolder).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${options.dataFolder}: no such folder of pictures (${error.code})`);
  });
  const name = queueName(fingerprint);
  const outage = outageLog(address.shown, log);
  const done = { shards: 0, images: 0, failed: 0 };
  let inWork = 0;
  let lastWork = performance.now();

  async function work(payload: unknown): Promise<ShardResult> {
    const shard = requireShard(payload);
    if (shard.model !== fingerprint) {
      throw new UserError(
        `a job for model ${shard.model.slice(0, 16)}, this worker has ${fingerprint.slice(0, 16)}`,
      );
    }
    const { preprocessing, batchSize, heads } = shard;
    if (String(preprocessing.crop) !== String(options.imgSize)) {
      throw new UserError(
        `a job with pictures of [${preprocessing.crop}], the model takes [${options.imgSize}]`,
      );
    }
    const files = await locateFiles(root, shard.files);
    const batches: Promise<ScoredBatch>[] = [];
    for (let start = 0; start < files.length; start += batchSize) {
      batches.push(score({ start, files: files.slice(start, start + batchSize), preprocessing, heads }));
    }
    const result = encodeResult(await Promise.all(batches), options.backend);
    done.shards++;
    done.images += result.indices.length;
    done.failed += result.failures.length;
    return result;
  }

  const where = `${hostname()}:${process.pid}`;
  const worker = new Worker(
    name,
    async (job) => {
      inWork++;
      try {
        return await work(job.data);
      } catch (error) {
        log(`a shard failed here: ${(error as Error).message}`);
        throw new Error(`${where}: ${(error as Error).message}`);
      } finally {
        inWork--;
        lastWork = performance.now();
      }
    },
    {
      connection: address.options,
      name: where,
      concurrency: options.concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: MAX_STALLED,
    },
  );
  const client = new Redis(address.options);
  worker.on('error', outage.onError);
  client.on('error', outage.onError);
  client.on('ready', outage.onReady);

  const refused = new Set<string>();
  async function lookForOthers(): Promise<void> {
    const open = await client.zrangebyscore(OPEN_QUEUES, Date.now() - 4 * ANNOUNCE_MS, '+inf');
    for (const other of open.filter((queue) => queue !== name && !refused.has(queue))) {
      refused.add(other);
      log(`refused: an evaluation waits for the model of ${other}, this worker has that of ${name}`);
    }
  }
  const looks = setInterval(() => {
    lookForOthers().catch(outage.onError);
  }, ANNOUNCE_MS);
  lookForOthers().catch(outage.onError);

  try {
    await worker.waitUntilReady();
    log(`waiting for shards of ${name} on ${address.shown}`);
    await ended(options.signal, () => inWork === 0 && performance.now() - lastWork > 1000 * idleSeconds);
    await worker.close();
    return done;
  } finally {
    clearInterval(looks);
    client.disconnect();
  }
}

/** Resolves when the signal aborts or `idle` becomes true. */
function ended(signal: AbortSignal, idle: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (!signal.aborted && !idle()) return;
      clearInterval(timer);
      resolve();
    }, 100);
  });
}
