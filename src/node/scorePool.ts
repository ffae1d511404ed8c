import { UserError } from '../errors.js';
import type { ScoredBatch } from '../evaluate/index.js';
import type { Preprocessing } from '../image/types.js';
import { inOrder } from '../inOrder.js';
import { startWorkerPool, type WorkerPool } from './workerPool.js';

/** A batch for a worker: files `start` to `start + files.length` of some list. */
export interface ScoreJob {
  readonly start: number;
  readonly files: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads?: boolean;
}

/** The model that a thread loads. */
export interface ScoreModel {
  /** Path or URL of the model, as openModel takes it. */
  readonly model: string;
  readonly quantize?: 'int8';
}

export interface ScoreOptions extends ScoreModel {
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  readonly threads: number;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads?: boolean;
}

/** Batches that a worker has besides the one in work, so that it never waits for the main thread. */
const QUEUED = 1;

const workerUrl = new URL('./scoreWorker.js', import.meta.url);

/** Threads with a model each on the WASM backend, which itself runs one thread in Node. */
export function startScorePool(model: ScoreModel, threads: number): WorkerPool<ScoreJob, ScoredBatch> {
  return startWorkerPool<ScoreJob, ScoredBatch>({
    workers: threads,
    url: workerUrl,
    workerData: model,
    purpose: 'run the model',
    pack: (message) => ({ message, transfer: [] }),
    giveUp: (job, reason) => {
      throw new UserError(
        `the thread that evaluated ${job.files[0]} and ${job.files.length - 1} more died twice (${reason}); ` +
          'if memory is short, use fewer --workers',
      );
    },
  });
}

/**
 * Evaluates files on several threads. Batches come in the order of the list, and a bounded number is under way.
 */
export async function* scoreOnThreads(
  files: readonly string[],
  options: ScoreOptions,
): AsyncGenerator<ScoredBatch, void, undefined> {
  const { batchSize, preprocessing, heads } = options;
  const workers = Math.min(options.threads, Math.ceil(files.length / batchSize));
  const pool = startScorePool({ model: options.model, quantize: options.quantize }, workers);
  let next = 0;
  const begin = () => {
    const start = next;
    if (start >= files.length) return undefined;
    next += batchSize;
    return pool.run({ start, files: files.slice(start, next), preprocessing, heads });
  };
  try {
    yield* inOrder(begin, workers * (1 + QUEUED));
  } finally {
    await pool.close();
  }
}
