import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { loadFrom } from '../models/load.js';
import { batchScorer } from './batchScorer.js';
import { openModel } from './openModel.js';
import './wasmBackend.js';
import type { ScoreJob, ScoreModel } from './scorePool.js';

/**
 * The worker thread of startScorePool: loads the model, then decodes and classifies the batches that it is sent and
 * answers in the same order.
 */

sharp.concurrency(1);
sharp.cache(false);

const port = parentPort!;
const { model: path, quantize } = workerData as ScoreModel;
port.postMessage('starting'); // the model may take its time

const opened = await openModel(path);
const model = await loadFrom(opened.source, { backend: 'wasm', quantize });
await opened.close();

const score = batchScorer(model, 0);
port.on('message', async (job: ScoreJob) => {
  const result = await score(job);
  port.postMessage(
    result,
    [result.logits, ...(result.heads ?? [])].map(({ buffer }) => buffer as ArrayBuffer),
  );
});
port.postMessage('ready');
