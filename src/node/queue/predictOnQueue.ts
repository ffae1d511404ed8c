import { UserError } from '../../errors.js';
import type { PredictedBatch } from '../../evaluate/index.js';
import type { Preprocessing } from '../../image/types.js';
import { prefetch } from '../../prefetch.js';
import type { FileSource } from '../data/fileDataset.js';
import type { RedisAddress } from './connection.js';
import { openDispatcher } from './dispatcher.js';
import { fileContents } from './fileContents.js';
import { decodeResult, MAX_SHARD, SHARD_VERSION } from './shard.js';

export interface QueueOptions {
  readonly address: RedisAddress;
  /** modelFingerprint of the model. */
  readonly fingerprint: string;
  /** Number of the model's classes. */
  readonly classes: number;
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads: boolean;
  /** How long a shard that failed waits before it is sent again the first time, in milliseconds; 1000 by default. */
  readonly retryMs?: number;
  /** Takes a line about the connection or the workers. */
  readonly log: (line: string) => void;
  /** Ends the run when it aborts: what is outstanding is taken back. */
  readonly signal?: AbortSignal;
  /** Called with the backend of each answer. */
  readonly onBackend?: (backend: string) => void;
}

/** Images of a shard, about: some seconds of work, and an answer of some 200 kB for 1000 classes. */
const SHARD_IMAGES = 32;
/** Shards in Redis at once: work for hundreds of cores, and memory there that does not grow with the val set. */
const WINDOW = 512;

/**
 * Evaluates files on whatever machines run `deit worker` on the same queue. Batches come in the order of the list. A
 * shard whose worker dies, fails or gives an answer that is not usable goes to another one; one whose job Redis forgot is
 * sent again; an answer counts once. Workers whose files hold something else are refused (see fileContents).
 *
 * @param order indices of the images to classify, in their order; all by default
 * @throws UserError if Redis cannot be reached at the start, or worker after worker fails with a shard
 */
export async function* predictOnQueue(
  dataset: FileSource,
  options: QueueOptions,
  order: Int32Array = Int32Array.from({ length: dataset.length }, (_, index) => index),
): AsyncGenerator<PredictedBatch, void, undefined> {
  const { batchSize, classes, fingerprint, preprocessing, heads } = options;
  if (batchSize > MAX_SHARD) {
    throw new UserError(`a queue's batches have at most ${MAX_SHARD} images; give --batch-size ${MAX_SHARD}`);
  }
  const shardSize = Math.ceil(SHARD_IMAGES / batchSize) * batchSize;
  const dispatcher = await openDispatcher({ ...options, window: WINDOW });
  let hashed: Promise<unknown> = Promise.resolve();
  /** One shard after another: a window full of shards would open thousands of files at once. */
  const contentsOf = (indices: Int32Array) => {
    const contents = hashed.then(() =>
      Promise.all(Array.from(indices, (index) => fileContents(dataset.describe(index)))),
    );
    hashed = contents;
    return contents;
  };
  const predict = async (indices: Int32Array) => {
    const contents = await contentsOf(indices);
    const files = Array.from(indices, (index) => dataset.files[index]!);
    return dispatcher.submit(
      { version: SHARD_VERSION, model: fingerprint, preprocessing, batchSize, heads, files, contents },
      (answer) => decodeResult(answer, { indices, files, classes }),
    );
  };
  let next = 0;
  const start = () => {
    if (next >= order.length) return undefined;
    const indices = order.slice(next, next + shardSize);
    next += shardSize;
    return predict(indices);
  };
  try {
    for await (const { backend, ...batch } of prefetch(start, WINDOW)) {
      options.onBackend?.(backend);
      yield batch;
    }
  } finally {
    await dispatcher.close();
  }
}
