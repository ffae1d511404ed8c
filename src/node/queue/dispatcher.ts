import { randomUUID } from 'node:crypto';
import { type Job, Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { UserError } from '../../errors.js';
import { shorten } from '../../text.js';
import { withTimeLimit } from '../../timeLimit.js';
import { outageLog, type RedisAddress, requireRedis } from './connection.js';
import { ANNOUNCE_MS, GONE, OPEN_QUEUES, queueName, RUN_TTL_MS, runKey } from './names.js';
import type { Shard } from './shard.js';

/** Fewest tries of a shard before it is given up. */
const ATTEMPTS = 5;
/** A shard is given up when so many workers failed with it, or all that there are. */
const MAX_FAILED_WORKERS = 8;
/** Most tries of a shard, by any workers. */
const MAX_ATTEMPTS = 60;
/** How long a shard that failed waits for another worker, in milliseconds: so often more as it failed, up to five times. */
const RETRY_MS = 1_000;
const MOST_RETRY_STEPS = 5;
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
  /** How long a shard that failed waits before it is sent again the first time, in milliseconds; 1000 by default. */
  readonly retryMs?: number;
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
  await requireRedis(options.address);
  return new RedisDispatcher(options);
}

class RedisDispatcher implements Dispatcher {
  private readonly name: string;
  /** Id of this evaluation. */
  private readonly run = randomUUID();
  private readonly outage: ReturnType<typeof outageLog>;
  private readonly client: Redis;
  private readonly queue: Queue;
  private readonly events: QueueEvents;
  private readonly workers: ReturnType<typeof watchWorkers>;
  private readonly outstanding = new Map<string, Outstanding>();
  private readonly timers: NodeJS.Timeout[];
  private jobs = 0;

  constructor(private readonly options: DispatcherOptions) {
    const { address, fingerprint, window, log } = options;
    this.name = queueName(fingerprint);
    this.outage = outageLog(address.shown, log);
    this.client = new Redis(address.options);
    this.queue = new Queue(this.name, {
      connection: address.options,
      streams: { events: { maxLen: window } },
    });
    this.events = new QueueEvents(this.name, { connection: address.options });
    this.workers = watchWorkers(this.queue, this.name, log);
    this.listen();
    this.timers = [
      // A poll that finds the server away waits for it, and there must not be a crowd of them.
      repeat(RECONCILE_MS, this.outage.onError, () => this.reconcile()),
      repeat(ANNOUNCE_MS, this.outage.onError, () => this.announce()),
    ];
    this.announce().catch(this.outage.onError);
    this.workers.poll().catch(this.outage.onError);
  }

  submit<T>(shard: Omit<Shard, 'run'>, decode: (answer: unknown) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const item: Outstanding = {
        id: this.nextId(),
        shard: { ...shard, run: this.run },
        tries: 0,
        failed: new Set(),
        accept: (answer) => resolve(decode(answer)),
        reject,
      };
      if (this.options.signal?.aborted) return this.interrupt();
      this.outstanding.set(item.id, item);
      this.send(item).catch(this.outage.onError); // reconcile sends it again
    });
  }

  async close(): Promise<void> {
    this.options.signal?.removeEventListener('abort', this.interrupt);
    for (const timer of this.timers) clearInterval(timer);
    for (const { timer } of this.outstanding.values()) clearTimeout(timer);
    const ids = [...this.outstanding.keys()];
    this.outstanding.clear();
    const cleanup = Promise.all([
      this.client.del(runKey(this.run)),
      ...ids.map((id) => this.queue.remove(id)),
    ])
      .catch(() => {}) // workers drop what stays
      .then(() => Promise.all([this.events.close(), this.queue.close()]));
    await withTimeLimit<unknown>(cleanup, CLEANUP_MS, () => undefined);
    this.client.disconnect();
  }

  private listen(): void {
    this.client.on('error', this.outage.onError);
    this.queue.on('error', this.outage.onError);
    this.events.on('error', this.outage.onError);
    this.client.on('ready', this.outage.onReady);
    this.events.on('completed', ({ jobId, returnvalue }) => this.complete(jobId, returnvalue));
    this.events.on('failed', ({ jobId, failedReason }) => this.fail(jobId, failedReason));
    this.options.signal?.addEventListener('abort', this.interrupt);
  }

  /** Says that this evaluation is there and has work. */
  private announce(): Promise<unknown> {
    return Promise.all([
      this.client.zadd(OPEN_QUEUES, Date.now(), this.name),
      this.client.set(runKey(this.run), Date.now(), 'PX', RUN_TTL_MS),
    ]);
  }

  private nextId(): string {
    return `${this.run}-${this.jobs++}`;
  }

  private async send(item: Outstanding): Promise<void> {
    // Before the job: a worker drops those of runs that are gone, and Redis may have lost all that it had.
    await this.announce();
    await this.queue.add('shard', item.shard, {
      jobId: item.id,
      removeOnComplete: { age: KEEP_SECONDS },
      removeOnFail: { age: KEEP_SECONDS },
    });
  }

  private sendAgain(item: Outstanding, delay: number): void {
    item.id = this.nextId();
    this.outstanding.set(item.id, item);
    item.timer = setTimeout(() => {
      item.timer = undefined;
      this.send(item).catch(this.outage.onError); // reconcile sends it again
    }, delay);
  }

  /** The shard of a job, no longer outstanding under that id; undefined if told twice, or another run's. */
  private take(id: string): Outstanding | undefined {
    const item = this.outstanding.get(id);
    this.outstanding.delete(id);
    if (item) void this.queue.remove(id).catch(() => {}); // what stays is removed by its age
    return item;
  }

  private complete(id: string, answer: unknown): void {
    const item = this.take(id);
    if (!item) return;
    try {
      item.accept(answer);
    } catch (error) {
      this.retry(item, workerOf(answer), (error as Error).message);
    }
  }

  private fail(id: string, reason: string): void {
    const item = this.take(id);
    if (!item) return;
    const [, worker = 'a worker', why = reason] = /^(\S{1,300}:\d{1,10}): (.*)$/s.exec(reason) ?? [];
    // A worker took it while this evaluation could not say that it is there.
    if (why === GONE) this.sendAgain(item, 0);
    else this.retry(item, worker, why);
  }

  /** Sends a shard again that failed, or gives it up. */
  private retry(item: Outstanding, worker: string, reason: string): void {
    item.tries++;
    item.failed.add(worker);
    this.workers.failed(worker, reason);
    const enough = item.failed.size >= Math.min(MAX_FAILED_WORKERS, Math.max(1, this.workers.count()));
    if ((item.tries < ATTEMPTS || !enough) && item.tries < MAX_ATTEMPTS) {
      const { retryMs = RETRY_MS } = this.options;
      const steps = Math.min(MOST_RETRY_STEPS, item.tries);
      // Sent at even times, shards meet the same worker again and again: each takes the one that waits longest.
      this.sendAgain(item, retryMs * steps * (0.5 + Math.random()));
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

  private readonly interrupt = (): void => {
    for (const { reject } of this.outstanding.values()) {
      reject(
        new UserError('interrupted; the same command with --predictions and --resume goes on from here'),
      );
    }
  };

  /** Asks for the state of what is outstanding, in case events were lost. */
  private async reconcile(): Promise<void> {
    await Promise.all([...this.outstanding.values()].map((item) => this.poll(item)));
    await this.workers.poll();
  }

  private async poll(item: Outstanding): Promise<void> {
    if (item.timer) return;
    const { id } = item;
    const job: Job | undefined = await this.queue.getJob(id);
    if (!this.outstanding.has(id)) return;
    if (!job) return this.send(item); // Redis was restarted without what it had
    if (job.finishedOn === undefined) return;
    if (await job.isCompleted()) this.complete(id, job.returnvalue);
    else if (await job.isFailed()) this.fail(id, job.failedReason);
  }
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
    async poll(): Promise<void> {
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
