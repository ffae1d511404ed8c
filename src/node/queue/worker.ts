import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { DeviceLost } from '../../deviceLost.js';
import { UserError } from '../../errors.js';
import type { PredictedBatch } from '../../evaluate/index.js';
import { shorten } from '../../text.js';
import { withTimeLimit } from '../../timeLimit.js';
import type { ClassifyJob } from '../shardClassifier.js';
import { outageLog, type RedisAddress, requireRedis } from './connection.js';
import { ANNOUNCE_MS, GONE, OPEN_QUEUES, queueName, runKey } from './names.js';
import { encodeResult, locateFiles, requireShard, type Shard, type ShardResult } from './shard.js';

export interface QueueWorkerOptions {
  readonly address: RedisAddress;
  /** modelFingerprint of this worker's model. */
  readonly fingerprint: string;
  /** Folder that the files of a shard lie below. */
  readonly dataFolder: string;
  /** Classifies files; the batches' indices are places in the list. */
  readonly classify: (job: ClassifyJob) => Promise<PredictedBatch[]>;
  /** The tfjs backend that `classify` runs on. */
  readonly backend: string;
  /** Side lengths of the model's input in pixels, [height, width]. */
  readonly imgSize: readonly [number, number];
  /** Number of shards to be in work at once. */
  readonly concurrency: number;
  /** A worker that shows no sign of life for so long loses its shards to others, in milliseconds. */
  readonly lockMs?: number;
  /** Ends after so many seconds without work; by default it waits without limit. */
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
/** How long Redis has to take the last answers when a worker ends, in milliseconds. */
const CLOSE_MS = 3_000;
/** How long a worker that failed leaves the next shards to others, in milliseconds: twice as long each time. */
const PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;
/** Lines about other evaluations, at most. */
const MAX_TOLD = 100;

/** What is wrong with a job, and not with this worker. */
class JobError extends UserError {}

/**
 * Takes shards of evaluations of this worker's model from a queue until the signal aborts, or it was idle for long
 * enough. Throws a UserError if Redis or the data folder cannot be used, or the model's GPU is lost: others do its shards.
 */
export async function runQueueWorker(options: QueueWorkerOptions): Promise<QueueWorkerResult> {
  await requireRedis(options.address);
  const root = await realpath(options.dataFolder).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${options.dataFolder}: no such folder of images (${error.code})`);
  });
  return new QueueWorker(root, options).run();
}

class QueueWorker {
  private readonly name: string;
  /** Who this worker is, for messages. */
  private readonly where = `${hostname()}:${process.pid}`;
  private readonly outage: ReturnType<typeof outageLog>;
  private readonly client: Redis;
  private readonly worker: Worker;
  private readonly pause: ReturnType<typeof pausing>;
  private readonly told: (line: string) => void;
  private readonly done = { shards: 0, images: 0, failed: 0 };
  private inWork = 0;
  private classifying = 0;
  private lastWork = performance.now();
  private lost: DeviceLost | undefined;

  /** @param root the real path of the data folder */
  constructor(
    private readonly root: string,
    private readonly options: QueueWorkerOptions,
  ) {
    const { address, fingerprint, concurrency, log, lockMs = LOCK_MS } = options;
    this.name = queueName(fingerprint);
    this.outage = outageLog(address.shown, log);
    this.client = new Redis(address.options);
    this.told = onceEach(log);
    this.worker = new Worker(this.name, (job) => this.process(job.data), {
      connection: address.options,
      name: this.where,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: MAX_STALLED,
    });
    this.pause = pausing(this.worker);
    this.worker.on('error', this.outage.onError);
    this.client.on('error', this.outage.onError);
    this.client.on('ready', this.outage.onReady);
  }

  async run(): Promise<QueueWorkerResult> {
    const { address, log, signal, idleSeconds = Number.POSITIVE_INFINITY } = this.options;
    const poll = () => void this.tellOfOthers().catch(this.outage.onError);
    const polls = setInterval(poll, ANNOUNCE_MS);
    poll();
    try {
      // Redis may be gone already: then this waits for it, and a signal ends the wait.
      const ready = this.worker
        .waitUntilReady()
        .then(() => log(`waiting for shards of ${this.name} on ${address.shown}`));
      ready.catch(() => {}); // worker.on('error') tells
      const isIdle = () => this.inWork === 0 && performance.now() - this.lastWork > 1000 * idleSeconds;
      await ended(signal, () => this.lost !== undefined || isIdle());
      this.pause.stop();
      await close(this.worker, () => this.classifying, log);
      if (this.lost) throw this.lost;
      return this.done;
    } finally {
      this.pause.stop();
      clearInterval(polls);
      this.client.disconnect();
    }
  }

  private async process(data: unknown): Promise<ShardResult> {
    this.inWork++;
    try {
      const shard = payloadOf(data, this.options.fingerprint, this.options.imgSize);
      if ((await this.client.exists(runKey(shard.run))) === 0) throw new JobError(GONE);
      this.classifying++;
      const result = await classifyShard(shard, this.root, this.options, this.where).finally(() => {
        this.classifying--;
      });
      this.done.shards++;
      this.done.images += result.indices.length;
      this.done.failed += result.failures.length;
      this.lastWork = performance.now();
      this.pause.reset();
      return result;
    } catch (error) {
      const { message } = error as Error;
      if (message === GONE) this.told('dropped: shards of an evaluation that is gone');
      else this.options.log(`a shard failed here: ${message}`);
      if (error instanceof DeviceLost) this.lost ??= error;
      // A worker that cannot do its work must not take it from those that can.
      if (!(error instanceof JobError)) this.pause.start();
      throw new Error(`${this.where}: ${message}`);
    } finally {
      this.inWork--;
    }
  }

  /** Says which evaluations wait for other models. */
  private async tellOfOthers(): Promise<void> {
    const open = await this.client.zrangebyscore(OPEN_QUEUES, Date.now() - 4 * ANNOUNCE_MS, '+inf');
    for (const other of open.filter((queue) => queue !== this.name)) {
      this.told(
        `refused: an evaluation waits for the model of ${shorten(other, 60)}, this worker has that of ${this.name}`,
      );
    }
  }
}

/** A job's payload, checked. Throws a JobError for one that this worker cannot be meant by. */
function payloadOf(data: unknown, fingerprint: string, imgSize: readonly [number, number]): Shard {
  let shard: Shard;
  try {
    shard = requireShard(data);
  } catch (error) {
    throw new JobError((error as Error).message);
  }
  if (shard.model !== fingerprint) {
    throw new JobError(
      `a job for model ${shorten(shard.model.slice(0, 16))}, this worker has ${fingerprint.slice(0, 16)}`,
    );
  }
  const { crop } = shard.preprocessing;
  if (String(crop) !== String(imgSize)) {
    throw new JobError(`a job with images of [${crop}], the model takes [${imgSize}]`);
  }
  return shard;
}

async function classifyShard(
  { files: names, contents, preprocessing, batchSize, heads }: Shard,
  root: string,
  { classify, backend }: QueueWorkerOptions,
  worker: string,
): Promise<ShardResult> {
  const files = await locateFiles(root, names, contents);
  const batches = await classify({ files, preprocessing, batchSize, heads });
  for (const { logits, indices } of batches) {
    const bad = logits.findIndex((logit) => !Number.isFinite(logit));
    if (bad < 0) continue;
    const index = indices[Math.floor((bad * indices.length) / logits.length)]!;
    throw new UserError(`${names[index]}: the model's logit is ${logits[bad]} on ${backend}`);
  }
  return encodeResult(batches, backend, worker);
}

/** Lets a worker take no shards for a while, longer with each failure; a success ends it. */
function pausing(worker: Worker) {
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  return {
    start(): void {
      if (timer) return;
      const milliseconds = Math.min(MAX_PAUSE_MS, PAUSE_MS * 2 ** failures++);
      void worker.pause(true).catch(() => {});
      timer = setTimeout(() => {
        timer = undefined;
        worker.resume();
      }, milliseconds);
    },
    /** After a success. */
    reset(): void {
      failures = 0;
      if (!timer) return;
      this.stop();
      worker.resume();
    },
    stop(): void {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/** Says each line once. */
function onceEach(log: (line: string) => void): (line: string) => void {
  const said = new Set<string>();
  return (line) => {
    if (said.has(line) || said.size >= MAX_TOLD) return;
    said.add(line);
    log(line);
  };
}

/** Ends a worker after the shards in work. If Redis does not take their answers in time, other workers do them again. */
async function close(worker: Worker, classifying: () => number, log: (line: string) => void): Promise<void> {
  const closed = worker.close().then(() => true);
  closed.catch(() => {});
  // Work in hand ends by itself; what may not end is waiting for Redis.
  while (classifying() > 0) await sleep(50);
  if (await withTimeLimit(closed, CLOSE_MS, () => false)) return;
  log('Redis does not answer: what it was not told of is done by other workers');
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
