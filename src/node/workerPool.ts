import { type Transferable, Worker } from 'node:worker_threads';
import { UserError } from '../errors.js';
import { withDeadline } from './deadline.js';

/** How often a job is tried whose worker dies. */
const MAX_ATTEMPTS = 2;

/**
 * Memory for a thread's young objects, in MB. Pixels lie outside of it: with the default, 48 or more, a thread gathers
 * thousands of images' worth of small garbage, and memory grows by hundreds of MB before it is swept.
 */
const YOUNG_MEGABYTES = 8;

/** How long closing waits for the threads to end, in milliseconds: one may be in a read that does not come back. */
const CLOSE_MS = 5000;

/**
 * How long a thread may take to its first message, in milliseconds: by then it has read its modules. It may load a
 * model after that for as long as the download's own limits allow.
 */
const START_MS = 60_000;

export interface WorkerPoolOptions<Job, Result> {
  readonly workers: number;
  /**
   * Threads start when there is work for them, and keep the process alive only while they work; by default all start
   * at once.
   */
  readonly lazy?: boolean;
  /**
   * Module of the worker. It may post 'starting' before it loads a model; it posts 'ready' once, when its listener is
   * there, then one answer a message, in the order of its messages.
   */
  readonly url: URL;
  readonly workerData: unknown;
  /** What the threads do, for error messages, e.g. `decode images`. */
  readonly purpose: string;
  /** What a worker is sent for a job; called again when the job is tried again. */
  readonly pack: (job: Job) => { message: unknown; transfer: Transferable[] };
  /** The answer to a job whose worker died twice; or throws. */
  readonly giveUp: (job: Job, reason: string) => Result;
  /** See START_MS. */
  readonly startMs?: number;
}

/** Jobs for worker threads. */
export interface WorkerPool<Job, Result> {
  /** The answer to a job. Rejects only if the pool itself cannot work. */
  run(job: Job): Promise<Result>;
  /** Ends all work; jobs not yet answered stay unanswered. */
  close(): Promise<void>;
}

interface Task<Job, Result> {
  readonly job: Job;
  attempts: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface Member<Job, Result> {
  readonly worker: Worker;
  /** Tasks not answered, the one in work first. They are sent once the worker is ready. */
  tasks: Task<Job, Result>[];
  ready: boolean;
  /** What the worker died of, where it said so. */
  error?: Error;
}

/**
 * A pool of worker threads. Jobs are handed out as they are asked for, so that the workers have work queued while the
 * calling thread is busy: whoever asks bounds how many are in flight. A worker that dies is replaced; the job that it
 * was at is tried once more, then given up.
 */
export function startWorkerPool<Job, Result>(
  options: WorkerPoolOptions<Job, Result>,
): WorkerPool<Job, Result> {
  const pool = new ThreadPool(options);
  return { run: (job) => pool.run(job), close: () => pool.close() };
}

class ThreadPool<Job, Result> {
  private readonly members: Member<Job, Result>[];
  private closed = false;
  private broken: Error | undefined;

  constructor(private readonly options: WorkerPoolOptions<Job, Result>) {
    this.members = options.lazy ? [] : Array.from({ length: options.workers }, () => this.start());
  }

  run(job: Job): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.send({ job, attempts: 0, resolve, reject });
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    const ended = this.members.map(({ worker }) =>
      withDeadline(worker.terminate(), CLOSE_MS, () => new Error('does not end')),
    );
    await Promise.allSettled(ended);
  }

  private send(task: Task<Job, Result>): void {
    if (this.broken) {
      task.reject(this.broken);
      return;
    }
    const member = this.memberFor();
    member.tasks.push(task);
    if (this.options.lazy) member.worker.ref();
    if (member.ready) this.post(member, task);
  }

  private post({ worker }: Member<Job, Result>, { job }: Task<Job, Result>): void {
    const { message, transfer } = this.options.pack(job);
    worker.postMessage(message, transfer);
  }

  /** Sends what has waited: Deno drops messages that come before the worker listens, where Node keeps them. */
  private makeReady(member: Member<Job, Result>): void {
    member.ready = true;
    for (const task of member.tasks) this.post(member, task);
  }

  /** The member with the least to do. */
  private memberFor(): Member<Job, Result> {
    const [first, ...others] = this.members;
    const least = others.reduce(
      (least, other) => (least && least.tasks.length <= other.tasks.length ? least : other),
      first,
    );
    if (least && (least.tasks.length === 0 || this.members.length >= this.options.workers)) return least;
    const member = this.start();
    this.members.push(member);
    return member;
  }

  private start(): Member<Job, Result> {
    const { url, workerData, startMs = START_MS } = this.options;
    const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MEGABYTES };
    const member: Member<Job, Result> = {
      worker: new Worker(url, { workerData, resourceLimits }),
      tasks: [],
      ready: false,
    };
    const late = setTimeout(() => {
      this.replace(
        member,
        `no answer within ${startMs / 1000} s; the machine may be overloaded, use fewer threads`,
      );
      void member.worker.terminate();
    }, startMs);
    member.worker.on('message', (message: 'starting' | 'ready' | Result) => {
      clearTimeout(late);
      this.take(member, message);
    });
    member.worker.on('error', (error) => {
      member.error = error as Error;
    });
    member.worker.on('exit', (code) => {
      clearTimeout(late);
      this.replace(member, member.error?.message ?? `exit code ${code}`);
    });
    return member;
  }

  private take(member: Member<Job, Result>, message: 'starting' | 'ready' | Result): void {
    if (message === 'starting') return;
    if (message === 'ready') this.makeReady(member);
    else member.tasks.shift()!.resolve(message);
    if (this.options.lazy && member.tasks.length === 0) member.worker.unref();
  }

  private replace(dead: Member<Job, Result>, reason: string): void {
    if (this.closed) return;
    const [current, ...queued] = dead.tasks;
    if (!dead.ready) {
      // A worker that cannot start would die again: nothing is gained by trying with every job.
      this.broken ??= new UserError(`the threads that ${this.options.purpose} do not start: ${reason}`);
      for (const task of dead.tasks.splice(0)) task.reject(this.broken);
      return;
    }
    this.members[this.members.indexOf(dead)] = this.start();
    for (const task of queued) this.send(task);
    if (current) this.retry(current, reason);
  }

  private retry(task: Task<Job, Result>, reason: string): void {
    task.attempts++;
    if (task.attempts < MAX_ATTEMPTS) {
      this.send(task);
      return;
    }
    try {
      task.resolve(this.options.giveUp(task.job, reason));
    } catch (error) {
      task.reject(error);
    }
  }
}
