import { randomUUID } from 'node:crypto';
import { type Job, Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { UserError } from '../../errors.js';
import { shorten } from '../../text.js';
import { outageLog, type RedisAddress, requireRedis } from './connection.js';
import { ANNOUNCE_MS, GONE, OPEN_QUEUES, queueName, RUN_TTL_MS, runKey } from './names.js';
import type { Shard } from './shard.js';

/** How often a shard is tried at least before it is given up. */
const ATTEMPTS = 5;
/** A shard is given up when so many workers failed with it, or all that there are. */
const MAX_FAILED_WORKERS = 8;
/** How often a shard is tried at most, whoever fails. */
const MAX_ATTEMPTS = 60;
/** How long a shard that failed waits for another worker, in milliseconds: so often more as it failed. */
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 5_000;
/** How often the state of what is outstanding is asked for, in case events were lost, in milliseconds. */
const RECONCILE_MS = 3_000;
/** Answers of runs that were killed stay in Redis so long, in seconds. */
const KEEP_SECONDS = 3600;
/** How long taking back unfinished work may take when a run ends early, in milliseconds. */
const CLEANUP_MS = 3_000;

export interface DispatcherOptions {
  readonly address: RedisAddress;
  /** modelFingerprint of the model. */
  readonly fingerprint: string;
  /** Events that Redis keeps: as many as there are shards under way. */
  readonly window: number;
  /** Takes a line about the connection or the workers. */
  readonly log: (line: string) => void;
  /** Ends the run when it aborts: what is outstanding is taken back. */
  readonly signal?: AbortSignal;
}

/** Sends shards to workers and brings their answers. */
export interface Dispatcher {
  /**
   * Sends a shard out, again and again until a worker's answer is usable.
   *
   * @param decode reads an answer; throws a UserError for one that is not usable, and the shard goes to another worker
   * @throws UserError if worker after worker fails with it
   */
  submit<T>(shard: Omit<Shard, 'run'>, decode: (answer: unknown) => T): Promise<T>;
  /** Takes back what is outstanding. */
  close(): Promise<void>;
}

interface Outstanding {
  /** Id of the job; another one each time that the shard is sent. */
  id: string;
  readonly shard: Shard;
  tries: number;
  /** Workers that failed with it. */
  readonly failed: Set<string>;
  /** Sends it again after a failure. */
  timer?: NodeJS.Timeout;
  /** Takes an answer; throws a UserError if it is not usable. */
  readonly accept: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Connects to Redis and watches it. Throws a UserError if it cannot be reached. */
export async function openDispatcher(options: DispatcherOptions): Promise<Dispatcher> {
  const { address, log, signal } = options;
  await requireRedis(address);
  const name = queueName(options.fingerprint);
  const run = randomUUID();
  const outage = outageLog(address.shown, log);
  const client = new Redis(address.options);
  const queue = new Queue(name, {
    connection: address.options,
    streams: { events: { maxLen: options.window } },
  });
  const events = new QueueEvents(name, { connection: address.options });
  client.on('error', outage.onError);
  queue.on('error', outage.onError);
  events.on('error', outage.onError);
  client.on('ready', outage.onReady);

  const outstanding = new Map<string, Outstanding>();
  const watch = watchWorkers(queue, name, log);
  const announce = () =>
    Promise.all([
      client.zadd(OPEN_QUEUES, Date.now(), name),
      client.set(runKey(run), Date.now(), 'PX', RUN_TTL_MS),
    ]);
  let jobs = 0;

  async function send(item: Outstanding): Promise<void> {
    // Before the job: a worker drops those of runs that are gone, and Redis may have lost all that it had.
    await announce();
    await queue.add('shard', item.shard, {
      jobId: item.id,
      removeOnComplete: { age: KEEP_SECONDS },
      removeOnFail: { age: KEEP_SECONDS },
    });
  }
  const nextId = () => `${run}-${jobs++}`;

  /** The shard of a job, no longer outstanding under that id; undefined if told twice, or another run's. */
  function take(id: string): Outstanding | undefined {
    const item = outstanding.get(id);
    outstanding.delete(id);
    if (item) void queue.remove(id).catch(() => {}); // what stays is removed by its age
    return item;
  }

  function sendAgain(item: Outstanding, delay: number): void {
    item.id = nextId();
    outstanding.set(item.id, item);
    item.timer = setTimeout(() => {
      item.timer = undefined;
      send(item).catch(outage.onError); // reconcile sends it again
    }, delay);
  }

  function complete(id: string, answer: unknown): void {
    const item = take(id);
    if (!item) return;
    try {
      item.accept(answer);
    } catch (error) {
      failed(item, workerOf(answer), (error as Error).message);
    }
  }

  function fail(id: string, reason: string): void {
    const item = take(id);
    if (!item) return;
    const [, worker = 'a worker', why = reason] = /^(\S{1,300}:\d{1,10}): (.*)$/s.exec(reason) ?? [];
    // A worker took it while this evaluation could not say that it is there.
    if (why === GONE) sendAgain(item, 0);
    else failed(item, worker, why);
  }

  function failed(item: Outstanding, worker: string, reason: string): void {
    item.tries++;
    item.failed.add(worker);
    watch.failed(worker, reason);
    const enough = item.failed.size >= Math.min(MAX_FAILED_WORKERS, Math.max(1, watch.count()));
    if ((item.tries < ATTEMPTS || !enough) && item.tries < MAX_ATTEMPTS) {
      sendAgain(item, Math.min(MAX_RETRY_MS, RETRY_MS * item.tries));
      return;
    }
    const { files } = item.shard;
    item.reject(
      new UserError(
        `${files[0]} and ${files.length - 1} more failed on ${item.tries} tries, at last: ${worker}: ${shorten(reason)}; ` +
          'restart that worker, then the same command with --resume goes on from here',
      ),
    );
  }

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

  async function look(item: Outstanding): Promise<void> {
    if (item.timer) return;
    const { id } = item;
    const job: Job | undefined = await queue.getJob(id);
    if (!outstanding.has(id)) return;
    if (!job) return send(item); // Redis was restarted without what it had
    if (job.finishedOn === undefined) return;
    if (await job.isCompleted()) complete(id, job.returnvalue);
    else if (await job.isFailed()) fail(id, job.failedReason);
  }
  // A look that finds the server away waits for it, and there must not be a crowd of them.
  const looks = repeat(RECONCILE_MS, outage.onError, async () => {
    await Promise.all([...outstanding.values()].map(look));
    await watch.look();
  });
  const announcing = repeat(ANNOUNCE_MS, outage.onError, announce);
  announce().catch(outage.onError);

  return {
    submit(shard, decode) {
      return new Promise((resolve, reject) => {
        const item: Outstanding = {
          id: nextId(),
          shard: { ...shard, run },
          tries: 0,
          failed: new Set(),
          accept: (answer) => resolve(decode(answer)),
          reject,
        };
        if (signal?.aborted) return interrupt();
        outstanding.set(item.id, item);
        send(item).catch(outage.onError); // reconcile sends it again
      });
    },
    async close() {
      signal?.removeEventListener('abort', interrupt);
      clearInterval(looks);
      clearInterval(announcing);
      for (const { timer } of outstanding.values()) clearTimeout(timer);
      const ids = [...outstanding.keys()];
      outstanding.clear();
      const goodbye = Promise.all([client.del(runKey(run)), ...ids.map((id) => queue.remove(id))])
        .catch(() => {}) // workers drop what stays
        .then(() => Promise.all([events.close(), queue.close()]));
      await Promise.race([goodbye, new Promise((done) => setTimeout(done, CLEANUP_MS).unref())]);
      client.disconnect();
    },
  };
}

/** The worker that an answer names, for messages. */
function workerOf(answer: unknown): string {
  const { worker } = (answer ?? {}) as { worker?: unknown };
  return typeof worker === 'string' ? shorten(worker, 100) : 'a worker';
}

/** Calls `work` every so often, unless the last call is still under way. */
function repeat(milliseconds: number, onError: (error: Error) => void, work: () => Promise<unknown>) {
  let busy = false;
  return setInterval(() => {
    if (busy) return;
    busy = true;
    work()
      .catch(onError)
      .finally(() => {
        busy = false;
      });
  }, milliseconds);
}

/** How many workers' failures are told each in a line of their own: they say themselves who they are. */
const MAX_TOLD = 100;

/** Says when there is no worker, and what one fails of, once each. */
function watchWorkers(queue: Queue, name: string, log: (line: string) => void) {
  let workers = 0;
  let alone = false;
  const told = new Set<string>();
  return {
    /** Workers of the queue when they were last counted. */
    count: () => workers,
    failed(worker: string, reason: string): void {
      if (told.has(worker) || told.size >= MAX_TOLD) return;
      told.add(worker);
      log(`${worker}: ${shorten(reason)}; its shards go to other workers`);
    },
    async look(): Promise<void> {
      workers = await queue.getWorkersCount();
      if (workers === 0 && !alone) {
        log(
          `no worker has this model (${name}) yet; on any machine: deit worker --queue URL --model THE_SAME_MODEL --data VAL_DIR`,
        );
      }
      alone = workers === 0;
    },
  };
}
