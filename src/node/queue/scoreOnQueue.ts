import { randomUUID } from 'node:crypto';
import { type Job, Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { UserError } from '../../errors.js';
import type { ScoredBatch } from '../../evaluate/index.js';
import type { Preprocessing } from '../../image/types.js';
import { inOrder } from '../../inOrder.js';
import { outageLog, parseRedisUrl, requireRedis } from './connection.js';
import { ANNOUNCE_MS, OPEN_QUEUES, queueName } from './names.js';
import { decodeResult, SHARD_VERSION, type Shard } from './shard.js';

export interface QueueScoreOptions {
  /** Address of Redis. */
  readonly url: string;
  /** modelFingerprint of the model. */
  readonly fingerprint: string;
  /** Number of the model's classes. */
  readonly classes: number;
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads: boolean;
  /** Takes a line about the connection or the workers. */
  readonly log: (line: string) => void;
  /** Ends the run when it aborts: what is outstanding is taken back. */
  readonly signal?: AbortSignal;
  /** Called with the backend of each answer. */
  readonly onBackend?: (backend: string) => void;
}

/** Pictures of a shard, about: some seconds of work, and an answer of some 200 kB for 1000 classes. */
const SHARD_PICTURES = 32;
/** Shards in Redis at once: work for hundreds of cores, and memory there that does not grow with the val set. */
const WINDOW = 512;
/** How often a shard is tried by workers that fail; each time it goes to whoever is free. */
const ATTEMPTS = 5;
/** How often the state of what is outstanding is asked for, in case events were lost, in milliseconds. */
const RECONCILE_MS = 3_000;
/** Answers of runs that were killed stay in Redis so long, in seconds. */
const KEEP_SECONDS = 3600;
/** How long taking back unfinished work may take when a run ends early, in milliseconds. */
const CLEANUP_MS = 3_000;

interface Outstanding {
  readonly id: string;
  readonly shard: Shard;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Evaluates files on whatever machines run `deit worker` on the same queue. Batches come in the order of the list. A
 * shard whose worker dies goes to another one; one whose job Redis forgot is sent again; an answer counts once.
 *
 * @param files paths below the val folder, with forward slashes
 * @throws UserError if Redis cannot be reached at the start, or a shard fails again and again
 */
export async function* scoreOnQueue(
  files: readonly string[],
  options: QueueScoreOptions,
): AsyncGenerator<ScoredBatch, void, undefined> {
  const { batchSize, classes } = options;
  const shardSize = Math.ceil(SHARD_PICTURES / batchSize) * batchSize;
  const board = await openBoard(options);
  let next = 0;
  const begin = () => {
    const start = next;
    if (start >= files.length) return undefined;
    next += shardSize;
    return score(start, files.slice(start, next));
  };
  const score = async (start: number, part: readonly string[]) => {
    const answer = await board.submit({
      version: SHARD_VERSION,
      model: options.fingerprint,
      preprocessing: options.preprocessing,
      batchSize,
      heads: options.heads,
      files: part,
    });
    return decodeResult(answer, { start, count: part.length, classes });
  };
  try {
    for await (const { backend, ...batch } of inOrder(begin, WINDOW)) {
      options.onBackend?.(backend);
      yield batch;
    }
  } finally {
    await board.close();
  }
}

interface Board {
  /** Sends a shard out; resolves to the value that a worker returned. */
  submit(shard: Shard): Promise<unknown>;
  /** Takes back what is outstanding. */
  close(): Promise<void>;
}

async function openBoard({ url, fingerprint, log, signal }: QueueScoreOptions): Promise<Board> {
  const address = parseRedisUrl(url);
  await requireRedis(address);
  const name = queueName(fingerprint);
  const run = randomUUID();
  const outage = outageLog(address.shown, log);
  const client = new Redis(address.options);
  const queue = new Queue(name, { connection: address.options, streams: { events: { maxLen: WINDOW } } });
  const events = new QueueEvents(name, { connection: address.options });
  client.on('error', outage.onError);
  queue.on('error', outage.onError);
  events.on('error', outage.onError);
  client.on('ready', outage.onReady);
  const outstanding = new Map<string, Outstanding>();
  let submitted = 0;

  async function send({ id, shard }: Outstanding): Promise<void> {
    await queue.add('shard', shard, {
      jobId: id,
      attempts: ATTEMPTS,
      backoff: { type: 'fixed', delay: 1000 },
      removeOnComplete: { age: KEEP_SECONDS },
      removeOnFail: { age: KEEP_SECONDS },
    });
  }

  function settle(id: string, how: (item: Outstanding) => void): void {
    const item = outstanding.get(id);
    if (!item) return; // told twice, or another run's
    outstanding.delete(id);
    how(item);
    void queue.remove(id).catch(() => {}); // what stays is removed by its age
  }
  const complete = (id: string, value: unknown) => settle(id, ({ resolve }) => resolve(value));
  const fail = (id: string, reason: string) =>
    settle(id, ({ reject, shard }) =>
      reject(
        new UserError(
          `${shard.files[0]} and ${shard.files.length - 1} more failed on ${ATTEMPTS} tries, at last: ${reason}; ` +
            'mend that worker, then the same command with --resume goes on from here',
        ),
      ),
    );
  events.on('completed', ({ jobId, returnvalue }) => complete(jobId, returnvalue));
  events.on('failed', ({ jobId, failedReason }) => fail(jobId, failedReason));

  const interrupt = () => {
    for (const { reject } of outstanding.values()) {
      reject(
        new UserError('interrupted; the same command with --predictions and --resume goes on from here'),
      );
    }
  };
  signal?.addEventListener('abort', interrupt);

  async function lookAt(item: Outstanding): Promise<void> {
    const job: Job | undefined = await queue.getJob(item.id);
    if (!outstanding.has(item.id)) return;
    if (!job) return send(item); // Redis was restarted without what it had
    if (job.finishedOn === undefined) return;
    if (await job.isCompleted()) complete(item.id, job.returnvalue);
    else if (await job.isFailed()) fail(item.id, job.failedReason);
  }

  let alone = false;
  async function lookForWorkers(): Promise<void> {
    const workers = await queue.getWorkersCount();
    if (workers === 0 && !alone) {
      log(
        `no worker has this model (${name}) yet; on any machine: deit worker --queue URL --model THE_SAME_MODEL --data VAL_DIR`,
      );
    }
    alone = workers === 0;
  }

  async function reconcile(): Promise<void> {
    // A look that finds the server away waits for it, and there must not be a crowd of them.
    await Promise.all([...outstanding.values()].map(lookAt));
    await lookForWorkers();
  }
  let looking = false;
  const looks = setInterval(() => {
    if (looking) return;
    looking = true;
    reconcile()
      .catch(outage.onError)
      .finally(() => {
        looking = false;
      });
  }, RECONCILE_MS);
  const announce = () => client.zadd(OPEN_QUEUES, Date.now(), name).catch(outage.onError);
  const announcing = setInterval(announce, ANNOUNCE_MS);
  void announce();

  return {
    submit(shard) {
      return new Promise((resolve, reject) => {
        const item: Outstanding = { id: `${run}-${submitted++}`, shard, resolve, reject };
        outstanding.set(item.id, item);
        send(item).catch(outage.onError); // reconcile sends it again
      });
    },
    async close() {
      signal?.removeEventListener('abort', interrupt);
      clearInterval(looks);
      clearInterval(announcing);
      const ids = [...outstanding.keys()];
      outstanding.clear();
      const goodbye = Promise.all(ids.map((id) => queue.remove(id).catch(() => {}))).then(() =>
        Promise.all([events.close(), queue.close()]),
      );
      await Promise.race([goodbye, new Promise((done) => setTimeout(done, CLEANUP_MS).unref())]);
      client.disconnect();
    },
  };
}
