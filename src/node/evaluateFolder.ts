import { UserError } from '../errors.js';
import {
  type Classifier,
  type EvaluateHooks,
  type EvaluationResult,
  Metrics,
  measure,
  type PredictBatchesOptions,
  type PredictedBatch,
  predictBatches,
} from '../evaluate/index.js';
import type { EvaluationRecord } from '../evaluate/report/index.js';
import type { Preprocessing } from '../image/types.js';
import type { FileDataset } from './data/fileDataset.js';
import { loadDataset } from './data/loaders.js';
import { importOptional } from './optionalPackages.js';
import { type PredictionRecord, readPredictionRecord, requireSamePrediction } from './predictionRecord.js';
import { openPredictions } from './predictionsFile.js';
import type { QueueOptions } from './queue/predictOnQueue.js';

/** What computes: a model in this process, with threads that decode for it, or the workers of a queue. */
export type Predictor =
  | {
      readonly model: Classifier;
      readonly decodeThreads: number;
      readonly recover?: PredictBatchesOptions['recover'];
    }
  | { readonly queue: Omit<QueueOptions, 'preprocessing' | 'batchSize' | 'heads'> };

export interface EvaluateFolderOptions {
  preprocessing: Preprocessing;
  /** Images to a batch. */
  batchSize: number;
  /** File for one JSON line an image, written as they come. */
  predictions?: string;
  /** Whether what `predictions` holds already is kept and counted, and only the other images are classified. */
  resume?: boolean;
  /** Gathers what a report shows of the images that are classified. */
  report?: EvaluationRecord;
  /** Whether the first image that cannot be read is an error. */
  strict: boolean;
  /** Called once, before the first image, with the number of those that are recorded already. */
  onStart?: (done: number) => void;
  /** Called after each batch with the number of images that are done, failed and recorded ones included. */
  onProgress?: (done: number) => void;
  /** Takes a line about the predictions file of a run that was cut off. */
  onNote?: (line: string) => void;
  /** Called with one line for each image that cannot be read. */
  onFailure?: (message: string) => void;
}

/** Evaluates a model on a folder: batches are decoded while others run. */
export async function evaluateFolder(
  predictor: Predictor,
  dataset: FileDataset,
  options: EvaluateFolderOptions,
): Promise<EvaluationResult> {
  const { predictions: path, batchSize } = options;
  if (options.resume && !path)
    throw new UserError('resuming needs the predictions file of the run that was cut off');
  const record = options.resume ? await readPredictionRecord(path!, dataset) : undefined;
  if (record?.damage) options.onNote?.(record.damage);
  const order = record ? indicesLeft(record, dataset.length, batchSize) : undefined;
  const lines = path ? await openPredictions(path, record?.length) : undefined;
  let done = record?.count ?? 0;
  options.onStart?.(done);
  const hooks: EvaluateHooks = {
    async onPrediction(index, prediction, logits, heads) {
      const file = dataset.files[index]!;
      options.report?.add(file, prediction.label, logits, heads);
      await lines?.write({ file, ...prediction });
      done++;
    },
    onRepeated(index, prediction) {
      if (record?.last?.index === index) requireSamePrediction(path!, record.last.prediction, prediction);
    },
    onFailure(_index, message) {
      if (options.strict) throw new UserError(`${message}; --strict stops here`);
      options.report?.failures.push(message);
      options.onFailure?.(message);
      done++;
    },
    // Not image by image: the first of a batch has had the time of the whole.
    onBatch() {
      options.onProgress?.(done);
      return true;
    },
  };
  let whole = false;
  try {
    const batches = predict(predictor, dataset, order, options);
    const result = await measure(batches, dataset, hooks, record?.metrics ?? new Metrics(dataset.length));
    whole = true;
    return result;
  } finally {
    const kept = await lines?.end(whole);
    if (kept !== undefined) options.onNote?.(`${kept}: keeps what ${path} held before this run`);
  }
}

/**
 * The images that are classified when a run goes on: whole batches, cut as the first run cut them, since the last bits of
 * a logit may depend on an image's place in its batch; and the batch of the last recorded image once more, which shows
 * that model and preset are the same.
 */
function indicesLeft({ metrics, last }: PredictionRecord, count: number, batchSize: number): Int32Array {
  const indices: number[] = [];
  for (let start = 0; start < count; start += batchSize) {
    const batch = Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => start + i);
    const checks = last !== undefined && batch.includes(last.index);
    if (checks || batch.some((index) => !metrics.has(index))) indices.push(...batch);
  }
  return Int32Array.from(indices);
}

async function* predict(
  predictor: Predictor,
  dataset: FileDataset,
  order: Int32Array | undefined,
  { preprocessing, batchSize, report }: EvaluateFolderOptions,
): AsyncGenerator<PredictedBatch, void, undefined> {
  const heads = report !== undefined;
  if ('queue' in predictor) {
    // The queue's client is large and few need it.
    const { predictOnQueue } = await importOptional(
      'queue',
      'a queue',
      () => import('./queue/predictOnQueue.js'),
    );
    yield* predictOnQueue(dataset, { ...predictor.queue, preprocessing, batchSize, heads }, order);
    return;
  }
  const loader = loadDataset(dataset, preprocessing, predictor.decodeThreads);
  try {
    const { model, recover } = predictor;
    yield* predictBatches(model, loader.batches(batchSize, order), { heads, recover });
  } finally {
    await loader.close();
  }
}
