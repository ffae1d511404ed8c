import { type Transferable, Worker } from 'node:worker_threads';
import { UserError } from '../errors.js';
import { withDeadline } from './deadline.js';

/** How often a job is tried whose worker dies. */
const MAX_ATTEMPTS = 2;

/**
 * Memory for a thread's young objects, in MB. Pixels lie outside of it: with the default, 48 or more, a thread gathers
 * thousands of pictures' worth of small garbage, and memory grows by hundreds of MB before it is swept.
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
  /** What the threads do, for error messages, e.g. `decode pictures`. */
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
  let closed = false;
  let broken: Error | undefined;

  function send(task: Task<Job, Result>): void {
    if (broken) {
      task.reject(broken);
      return;
    }
    const member = memberFor();
    member.tasks.push(task);
    if (options.lazy) member.worker.ref();
    if (member.ready) post(member, task);
  }

  function post({ worker }: Member<Job, Result>, { job }: Task<Job, Result>): void {
    const { message, transfer } = options.pack(job);
    worker.postMessage(message, transfer);
  }

  /** Sends what has waited: Deno drops messages that come before the worker listens, where Node keeps them. */
  function makeReady(member: Member<Job, Result>): void {
    member.ready = true;
    for (const task of member.tasks) post(member, task);
  }

  /** The member with the least to do. */
  function memberFor(): Member<Job, Result> {
    const [first, ...others] = members;
    const least = others.reduce(
      (least, other) => (least && least.tasks.length <= other.tasks.length ? least : other),
      first,
    );
    if (least && (least.tasks.length === 0 || members.length >= options.workers)) return least;
    const member = start();
    members.push(member);
    return member;
  }

  function start(): Member<Job, Result> {
    const { url, workerData, startMs = START_MS } = options;
    const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MEGABYTES };
    const member: Member<Job, Result> = {
      worker: new Worker(url, { workerData, resourceLimits }),
      tasks: [],
      ready: false,
    };
    const late = setTimeout(() => {
      replace(
        member,
        `no answer within ${startMs / 1000} s; the machine may be overloaded, use fewer threads`,
      );
      void member.worker.terminate();
    }, startMs);
    member.worker.on('message', (message: 'starting' | 'ready' | Result) => {
      clearTimeout(late);
      if (message === 'starting') return;
      if (message === 'ready') makeReady(member);
      else member.tasks.shift()!.resolve(message);
      if (options.lazy && member.tasks.length === 0) member.worker.unref();
    });
    member.worker.on('error', (error) => {
      member.error = error as Error;
    });
    member.worker.on('exit', (code) => {
      clearTimeout(late);
      replace(member, member.error?.message ?? `exit code ${code}`);
    });
    return member;
  }

  function replace(dead: Member<Job, Result>, reason: string): void {
    if (closed) return;
    const [current, ...queued] = dead.tasks;
    if (!dead.ready) {
      // A worker that cannot start would die again: nothing is gained by trying with every job.
      broken ??= new UserError(`the threads that ${options.purpose} do not start: ${reason}`);
      for (const task of dead.tasks.splice(0)) task.reject(broken);
      return;
    }
    members[members.indexOf(dead)] = start();
    for (const task of queued) send(task);
    if (!current) return;
    current.attempts++;
    if (current.attempts < MAX_ATTEMPTS) {
      send(current);
      return;
    }
    try {
      current.resolve(options.giveUp(current.job, reason));
    } catch (error) {
      current.reject(error);
    }
  }

  const members = options.lazy ? [] : Array.from({ length: options.workers }, start);
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        send({ job, attempts: 0, resolve, reject });
      }),
    close: async () => {
      closed = true;
      const ended = members.map(({ worker }) =>
        withDeadline(worker.terminate(), CLOSE_MS, () => new Error('does not end')),
      );
      await Promise.allSettled(ended);
    },
  };
}
