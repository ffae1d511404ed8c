import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { UserError } from '../errors.js';
import { makeInput } from '../train/data/batches.js';
import { pictureAt } from '../train/data/levels.js';
import { decodeImage } from './decode.js';
import type { TrainJob, TrainResult, TrainWorkerData } from './trainData.js';

/** The worker thread of openTrainData: makes the inputs that it is sent, one job after another. */

sharp.concurrency(1);
sharp.cache(false);

const port = parentPort!;
const { recipe, levels } = workerData as TrainWorkerData;
const [height, width] = recipe.preprocessing.crop;
const length = height * width * 3;

async function make({ epoch, place, pictures }: TrainJob): Promise<TrainResult> {
  const pixels = new Float32Array(pictures.length * length);
  for (const [i, picture] of pictures.entries()) {
    const image = typeof picture === 'string' ? await decodeImage(picture) : pictureAt(levels!, picture);
    makeInput(image, recipe, epoch, place + i, pixels.subarray(i * length, (i + 1) * length));
  }
  return { pixels };
}

async function answer(job: TrainJob): Promise<void> {
  const result = await make(job).catch((error: Error): TrainResult => {
    const { message } = error;
    return { message: error instanceof UserError ? message : `${job.pictures[0]}: ${message}` };
  });
  port.postMessage(result, 'pixels' in result ? [result.pixels.buffer] : []);
}

let last = Promise.resolve();
port.on('message', (job: TrainJob) => {
  last = last.then(() => answer(job));
});
port.postMessage('ready');
