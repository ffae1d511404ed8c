import { UserError } from '../errors.js';
import type { ScoredBatch } from '../evaluate/index.js';
import type { Preprocessing } from '../image/types.js';
import type { PictureFailure } from './picturePipeline.js';
import { startWorkerPool } from './workerPool.js';

/** What the threads need to load the model for themselves. */
export interface ScoreOptions {
  /** Path or URL of the model, as openModel takes it. */
  readonly model: string;
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  readonly threads: number;
}

/** A batch for a worker: files `start` to `start + files.length` of the list. */
export interface ScoreJob {
  readonly start: number;
  readonly files: readonly string[];
}

/** What a worker answers. */
export interface ScoreResult extends ScoredBatch {
  readonly failures: readonly PictureFailure[];
}

/** Batches that a worker has besides the one in work, so that it never waits for the main thread. */
const QUEUED = 1;

const workerUrl = new URL('./scoreWorker.js', import.meta.url);

/**
 * Evaluates files on several threads, each with a model of its own on the WASM backend, which itself runs one thread
 * in Node. Batches come in the order of the list, and a bounded number is under way.
 */
export async function* scoreOnThreads(
  files: readonly string[],
  options: ScoreOptions,
): AsyncGenerator<ScoredBatch, void, undefined> {
  const { batchSize, threads } = options;
  const batches = Math.ceil(files.length / batchSize);
  const workers = Math.min(threads, batches);
  const pool = startWorkerPool<ScoreJob, ScoreResult>({
    workers,
    url: workerUrl,
    workerData: { model: options.model, preprocessing: options.preprocessing },
    purpose: 'run the model',
    pack: (message) => ({ message, transfer: [] }),
    giveUp: (job, reason) => {
      throw new UserError(
        `the thread that evaluated ${job.files[0]} and ${job.files.length - 1} more died twice (${reason}); ` +
          'if memory is short, use fewer --workers',
      );
    },
  });
  const begun: Promise<ScoreResult>[] = [];
  let next = 0;
  const begin = () => {
    while (begun.length < workers * (1 + QUEUED) && next < files.length) {
      const result = pool.run({ start: next, files: files.slice(next, next + batchSize) });
      result.catch(() => {}); // may fail before its turn; its turn meets it
      begun.push(result);
      next += batchSize;
    }
  };
  try {
    begin();
    while (begun.length > 0) {
      const batch = await begun[0];
      begun.shift();
      begin();
      yield batch;
    }
  } finally {
    await pool.close();
  }
}
