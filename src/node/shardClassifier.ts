import { loadBatches, type Preparer } from '../data/loader.js';
import { type Classifier, type PredictedBatch, predictBatches } from '../evaluate/index.js';
import type { Preprocessing } from '../image/types.js';
import { fileSource } from './data/fileDataset.js';
import { preparerFor } from './data/loaders.js';

/** Files to be classified. */
export interface ClassifyJob {
  readonly files: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads: boolean;
}

export interface ShardClassifier {
  /** The batches of a job, their indices places in `files`. Answers come in the order of the calls. */
  classify(job: ClassifyJob): Promise<PredictedBatch[]>;
  close(): Promise<void>;
}

/** Threads for one preprocessing. */
interface SharedPreparer {
  readonly key: string;
  readonly preparer: Preparer;
  users: number;
}

/**
 * Classifies files with a model in this thread, one job after another; the next job's first images are read meanwhile.
 *
 * @param workers threads that decode; 0 decodes in this thread
 */
export function shardClassifier(model: Classifier, workers: number): ShardClassifier {
  let current: SharedPreparer | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** The threads stay from job to job; another preprocessing has new ones. */
  function use(preprocessing: Preprocessing): SharedPreparer {
    const key = JSON.stringify(preprocessing);
    if (current?.key !== key) {
      const before = current;
      current = { key, preparer: preparerFor({ preprocessing }, workers), users: 0 };
      if (before?.users === 0) void before.preparer.close();
    }
    current.users++;
    return current;
  }

  function release(prepared: SharedPreparer): void {
    prepared.users--;
    if (prepared.users === 0 && prepared !== current) void prepared.preparer.close();
  }

  async function classify({ files, preprocessing, batchSize, heads }: ClassifyJob) {
    const prepared = use(preprocessing);
    try {
      const batches = loadBatches(fileSource('', files), prepared.preparer, batchSize);
      const first = batches.next(); // reading begins
      first.catch(() => {}); // may fail before its turn; its turn meets it
      const turn = last.then(() => collect(predictBatches(model, startingWith(first, batches), { heads })));
      last = turn.catch(() => {}); // the caller hears of it; the next job goes on
      return await turn;
    } finally {
      release(prepared);
    }
  }
  return { classify, close: async () => current?.preparer.close() };
}

async function* startingWith<T>(first: Promise<IteratorResult<T, void>>, rest: AsyncGenerator<T, void>) {
  const { done, value } = await first;
  if (done) return;
  yield value;
  yield* rest;
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
