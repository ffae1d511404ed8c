import { join } from 'node:path';
import { UserError } from '../../errors.js';
import type { ScoredBatch } from '../../evaluate/index.js';
import type { Preprocessing } from '../../image/types.js';
import { inOrder } from '../../inOrder.js';
import type { RedisAddress } from './connection.js';
import { openDispatcher } from './dispatcher.js';
import { fileContents } from './fileContents.js';
import { decodeResult, MAX_SHARD, SHARD_VERSION } from './shard.js';

export interface QueueScoreOptions {
  readonly address: RedisAddress;
  /** The val folder on this machine. */
  readonly root: string;
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

/** Images of a shard, about: some seconds of work, and an answer of some 200 kB for 1000 classes. */
const SHARD_IMAGES = 32;
/** Shards in Redis at once: work for hundreds of cores, and memory there that does not grow with the val set. */
const WINDOW = 512;

/**
 * Evaluates files on whatever machines run `deit worker` on the same queue. Batches come in the order of the list. A
 * shard whose worker dies, fails or gives an answer that is not usable goes to another one; one whose job Redis forgot is
 * sent again; an answer counts once. Workers whose files hold something else are refused (see fileContents).
 *
 * @param files paths below the val folder, with forward slashes
 * @throws UserError if Redis cannot be reached at the start, or worker after worker fails with a shard
 */
export async function* scoreOnQueue(
  files: readonly string[],
  options: QueueScoreOptions,
): AsyncGenerator<ScoredBatch, void, undefined> {
  const { batchSize, classes, fingerprint, preprocessing, heads } = options;
  if (batchSize > MAX_SHARD) {
    throw new UserError(`a queue's batches have at most ${MAX_SHARD} images; give --batch-size ${MAX_SHARD}`);
  }
  const shardSize = Math.ceil(SHARD_IMAGES / batchSize) * batchSize;
  const dispatcher = await openDispatcher({ ...options, window: WINDOW });
  let next = 0;
  let hashed: Promise<unknown> = Promise.resolve();
  /** One shard after another: a window full of shards would open thousands of files at once. */
  const contentsOf = (part: readonly string[]) => {
    const contents = hashed.then(() =>
      Promise.all(part.map((file) => fileContents(join(options.root, file)))),
    );
    hashed = contents;
    return contents;
  };
  const score = async (start: number, part: readonly string[]) => {
    const contents = await contentsOf(part);
    return dispatcher.submit(
      {
        version: SHARD_VERSION,
        model: fingerprint,
        preprocessing,
        batchSize,
        heads,
        files: part,
        contents,
      },
      (answer) => decodeResult(answer, { start, files: part, classes }),
    );
  };
  const begin = () => {
    const start = next;
    if (start >= files.length) return undefined;
    next += shardSize;
    return score(start, files.slice(start, next));
  };
  try {
    for await (const { backend, ...batch } of inOrder(begin, WINDOW)) {
      options.onBackend?.(backend);
      yield batch;
    }
  } finally {
    await dispatcher.close();
  }
}
