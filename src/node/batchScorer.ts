import { type PictureModel, type ScoredBatch, scoreBatches } from '../evaluate/index.js';
import type { Preprocessing } from '../image/types.js';
import { preparePictures } from './picturePipeline.js';

/** A batch to be classified: files `start` to `start + files.length` of some list. */
export interface ScoreJob {
  readonly start: number;
  readonly files: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads?: boolean;
}

/**
 * Classifies batches of picture files with a model in this thread, one after another, each decoded while those before
 * it run. Answers come in the order of the calls.
 *
 * @param workers threads that decode; 0 decodes in this thread
 */
export function batchScorer(model: PictureModel, workers: number): (job: ScoreJob) => Promise<ScoredBatch> {
  let last: Promise<unknown> = Promise.resolve();
  return ({ start, files, preprocessing, heads }) => {
    const prepared = only(preparePictures(files, { preprocessing, batchSize: files.length, workers }));
    const answer = last.then(async () => {
      const batch = await prepared;
      const { failures, indices, ...scored } = await only(scoreBatches(model, one(batch), { heads }));
      const moved = failures.map(({ index, message }) => ({ index: start + index, message }));
      return { ...scored, indices: indices.map((index) => start + index), failures: moved };
    });
    last = answer.catch(() => {}); // the caller hears of it; the next batch goes on
    return answer;
  };
}

/** The one value of a sequence of one. */
async function only<T>(values: AsyncGenerator<T, void>): Promise<T> {
  const { value } = await values.next();
  await values.return();
  return value as T;
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
