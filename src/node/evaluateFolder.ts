import { join } from 'node:path';
import { UserError } from '../errors.js';
import {
  type EvaluateHooks,
  type EvaluationResult,
  evaluate,
  type PictureModel,
  predictionOf,
  type ScoredBatch,
  Scores,
  scoreBatches,
} from '../evaluate/index.js';
import type { EvaluationRecord } from '../evaluate/report/index.js';
import type { Preprocessing } from '../image/types.js';
import { JsonLinesWriter } from './jsonLines.js';
import { importOptional } from './optionalPackages.js';
import { preparePictures } from './picturePipeline.js';
import { type PredictionRecord, readPredictionRecord, requireSamePrediction } from './predictionRecord.js';
import type { QueueScoreOptions } from './queue/scoreOnQueue.js';
import type { ValFolder } from './valFolder.js';

/** What computes: a model in this process, with threads that decode for it, or the workers of a queue. */
export type Scorer =
  | { readonly model: PictureModel; readonly decodeThreads: number }
  | { readonly queue: Omit<QueueScoreOptions, 'root' | 'preprocessing' | 'batchSize' | 'heads'> };

export interface EvaluateFolderOptions {
  preprocessing: Preprocessing;
  /** Pictures to a batch. */
  batchSize: number;
  /** File for one JSON line a picture, written as they come. */
  predictions?: string;
  /** Whether what `predictions` holds already is kept and counted, and only the other pictures are classified. */
  resume?: boolean;
  /** Gathers what a report shows of the pictures that are classified. */
  report?: EvaluationRecord;
  /** Whether the first picture that cannot be read is an error. */
  strict: boolean;
  /** Called once, before the first picture, with the number of those that are recorded already. */
  onStart?: (done: number) => void;
  /** Called with the number of pictures that are done, failed and recorded ones included. */
  onProgress?: (done: number) => void;
  /** Takes a line about the predictions file of a run that was cut off. */
  onNote?: (line: string) => void;
  /** Called with one line for each picture that cannot be read. */
  onFailure?: (message: string) => void;
}

/** Evaluates a model on a val folder: batches are decoded while others run. */
export async function evaluateFolder(
  scorer: Scorer,
  folder: ValFolder,
  options: EvaluateFolderOptions,
): Promise<EvaluationResult> {
  const { pictures } = folder;
  const { predictions: path, batchSize } = options;
  if (options.resume && !path)
    throw new UserError('resuming needs the predictions file of the run that was cut off');
  const record = options.resume ? await readPredictionRecord(path!, pictures) : undefined;
  if (record?.damage) options.onNote?.(record.damage);
  const places = record ? placesLeft(record, pictures.length, batchSize) : pictures.map((_, index) => index);
  const files = places.map((index) => pictures[index].file);
  const scored = atPlaces(score(scorer, folder.root, files, options), places);
  const batches = record ? sameModel(scored, record, folder, path!) : scored;
  const writer = path ? await JsonLinesWriter.append(path, record?.length ?? 0) : undefined;
  let done = record?.count ?? 0;
  options.onStart?.(done);
  try {
    const hooks: EvaluateHooks = {
      async onPrediction(prediction, logits, heads) {
        options.report?.add(prediction.file, prediction.label, logits, heads);
        await writer?.write(prediction);
        options.onProgress?.(++done);
      },
      onFailure(_file, message) {
        if (options.strict) throw new UserError(`${message}; --strict stops here`);
        options.report?.failures.push(message);
        options.onFailure?.(message);
        options.onProgress?.(++done);
      },
    };
    return await evaluate(pictures, batches, hooks, record?.scores ?? new Scores(pictures.length));
  } finally {
    await writer?.close();
  }
}

/**
 * The pictures that are classified when a run goes on: whole batches, cut as the first run cut them, since the last
 * bits of a logit may depend on a picture's place in its batch; and the batch of the last recorded picture once more,
 * which shows that model and preset are the same.
 */
function placesLeft({ scores, last }: PredictionRecord, count: number, batchSize: number): number[] {
  const places: number[] = [];
  for (let start = 0; start < count; start += batchSize) {
    const batch = Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => start + i);
    const checks = last !== undefined && batch.includes(last.index);
    if (checks || batch.some((index) => !scores.has(index))) places.push(...batch);
  }
  return places;
}

/** The same batches, their indices no longer into the list of what is classified but into that of all pictures. */
async function* atPlaces(
  batches: AsyncIterable<ScoredBatch>,
  places: readonly number[],
): AsyncGenerator<ScoredBatch, void, undefined> {
  for await (const { logits, heads, indices, failures } of batches) {
    yield {
      logits,
      heads,
      indices: indices.map((index) => places[index]),
      failures: failures.map((failure) => ({ ...failure, index: places[failure.index] })),
    };
  }
}

/** The same batches; throws at the last recorded picture if it comes out otherwise. */
async function* sameModel(
  batches: AsyncIterable<ScoredBatch>,
  { last }: PredictionRecord,
  { pictures }: ValFolder,
  path: string,
): AsyncGenerator<ScoredBatch, void, undefined> {
  for await (const batch of batches) {
    const { logits, indices } = batch;
    const row = last ? indices.indexOf(last.index) : -1;
    if (last && row >= 0) {
      const classes = logits.length / indices.length;
      const { file, label } = pictures[last.index];
      const found = predictionOf(file, label, logits.subarray(row * classes, (row + 1) * classes));
      requireSamePrediction(path, last.prediction, found);
    }
    yield batch;
  }
}

function score(
  scorer: Scorer,
  root: string,
  names: readonly string[],
  { preprocessing, batchSize, report }: EvaluateFolderOptions,
): AsyncIterable<ScoredBatch> {
  const heads = report !== undefined;
  if ('queue' in scorer) return onQueue(names, { ...scorer.queue, root, preprocessing, batchSize, heads });
  const files = names.map((name) => join(root, name));
  const workers = scorer.decodeThreads;
  return scoreBatches(scorer.model, preparePictures(files, { preprocessing, batchSize, workers }), { heads });
}

/** The queue's client is large and few need it. */
async function* onQueue(names: readonly string[], options: QueueScoreOptions): AsyncGenerator<ScoredBatch> {
  const { scoreOnQueue } = await importOptional('queue', 'a queue', () => import('./queue/scoreOnQueue.js'));
  yield* scoreOnQueue(names, options);
}
