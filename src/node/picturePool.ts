import { Worker } from 'node:worker_threads';
import { UserError } from '../errors.js';
import type { Preprocessing } from '../image/types.js';
import { type Prepared, preparePicture } from './preparePicture.js';

/** Prepares pictures: worker threads, or the calling thread. */
export interface PictureSource {
  /** The picture, or why there is none. Rejects only if the source itself cannot work. */
  prepare(file: string): Promise<Prepared>;
  /** Takes a picture's memory back for a later one. The caller must not use it again. */
  recycle(data: Float32Array<ArrayBuffer>): void;
  /** Ends all work; pictures asked for and not yet prepared stay unanswered. */
  close(): Promise<void>;
}

/** What a worker is sent; `buffer` is memory for the answer. */
export interface PictureJob {
  readonly file: string;
  readonly buffer?: ArrayBuffer;
}

/** What a worker answers, in the order of its jobs. */
export type PictureResult = Prepared;

/** How often a picture is tried whose worker dies. */
const MAX_ATTEMPTS = 2;

interface Task {
  readonly file: string;
  attempts: number;
  readonly resolve: (prepared: Prepared) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
  /** Tasks sent and not answered, the one in work first. */
  tasks: Task[];
  ready: boolean;
  /** What the worker died of, where it said so. */
  error?: Error;
}

const workerUrl = new URL('./pictureWorker.js', import.meta.url);

/**
 * A pool of `workers` threads. Files are handed out as they are asked for, so that the workers have work queued
 * while the calling thread is busy: whoever asks bounds how many are in flight. The memory of answers is
 * transferred, not copied. A worker that dies is replaced; the picture that it was at is tried once more, then
 * reported as failed.
 *
 * sharp must be loaded in the main thread before any worker loads it, which the import of preparePicture does.
 */
export function startPicturePool(
  workers: number,
  preprocessing: Preprocessing,
  url: URL = workerUrl,
): PictureSource {
  const spare: ArrayBuffer[] = [];
  let closed = false;
  let broken: Error | undefined;

  function send(task: Task): void {
    if (broken) {
      task.reject(broken);
      return;
    }
    const member = members.reduce((least, other) =>
      other.tasks.length < least.tasks.length ? other : least,
    );
    member.tasks.push(task);
    const buffer = spare.pop();
    const job: PictureJob = buffer ? { file: task.file, buffer } : { file: task.file };
    member.worker.postMessage(job, buffer ? [buffer] : []);
  }

  function start(): Member {
    const member: Member = {
      worker: new Worker(url, { workerData: { preprocessing } }),
      tasks: [],
      ready: false,
    };
    member.worker.on('message', (message: 'ready' | PictureResult) => {
      if (message === 'ready') member.ready = true;
      else member.tasks.shift()!.resolve(message);
    });
    member.worker.on('error', (error) => {
      member.error = error;
    });
    member.worker.on('exit', (code) => replace(member, member.error?.message ?? `exit code ${code}`));
    return member;
  }

  function replace(dead: Member, reason: string): void {
    if (closed) return;
    const [current, ...queued] = dead.tasks;
    if (!dead.ready) {
      // A worker that cannot start would die again: nothing is gained by trying with every picture.
      broken ??= new UserError(`the threads that decode pictures do not start: ${reason}`);
      for (const task of dead.tasks) task.reject(broken);
      return;
    }
    members[members.indexOf(dead)] = start();
    for (const task of queued) send(task);
    if (!current) return;
    current.attempts++;
    if (current.attempts < MAX_ATTEMPTS) send(current);
    else current.resolve({ message: `${current.file}: the thread that decoded it died twice (${reason})` });
  }

  const members = Array.from({ length: workers }, start);
  return {
    prepare: (file) =>
      new Promise((resolve, reject) => {
        send({ file, attempts: 0, resolve, reject });
      }),
    recycle: (data) => {
      spare.push(data.buffer);
    },
    close: async () => {
      closed = true;
      await Promise.all(members.map(({ worker }) => worker.terminate()));
    },
  };
}

/** Prepares pictures in the calling thread, one after another. */
export function inThisThread(preprocessing: Preprocessing): PictureSource {
  const spare: Float32Array<ArrayBuffer>[] = [];
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  return {
    prepare: (file) => {
      const prepared = last.then(() =>
        closed ? { message: `${file}: closed` } : preparePicture(file, preprocessing, spare.pop()),
      );
      last = prepared;
      return prepared;
    },
    recycle: (data) => {
      spare.push(data);
    },
    close: async () => {
      closed = true;
      await last;
    },
  };
}
