import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { scoreBatches } from '../evaluate/index.js';
import type { Preprocessing } from '../image/types.js';
import { loadFrom } from '../models/load.js';
import { openModel } from './openModel.js';
import { preparePictures } from './picturePipeline.js';
import type { ScoreJob, ScoreResult } from './scorePool.js';

/**
 * The worker thread of scoreOnThreads: loads the model, then decodes and classifies the batches that it is sent and
 * answers in the same order. The next batch is decoded while one runs.
 */

sharp.concurrency(1);
sharp.cache(false);

const port = parentPort!;
const { model: path, preprocessing } = workerData as { model: string; preprocessing: Preprocessing };

const opened = await openModel(path);
const model = await loadFrom(opened.source, { backend: 'wasm' });
await opened.close();

async function prepare({ start, files }: ScoreJob) {
  const options = { preprocessing, batchSize: files.length, workers: 0 };
  const batch = await only(preparePictures(files, options));
  const indices = batch.indices.map((index) => start + index);
  const failures = batch.failures.map((failure) => ({ ...failure, index: start + failure.index }));
  return { ...batch, indices, failures };
}

async function answer(prepared: ReturnType<typeof prepare>): Promise<void> {
  const batch = await prepared;
  const { logits, indices } = await only(scoreBatches(model, one(batch)));
  const result: ScoreResult = { logits, indices, failures: batch.failures };
  port.postMessage(result, [logits.buffer as ArrayBuffer]);
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

let last = Promise.resolve();
port.on('message', (job: ScoreJob) => {
  const prepared = prepare(job);
  last = last.then(() => answer(prepared));
});
port.postMessage('ready');
