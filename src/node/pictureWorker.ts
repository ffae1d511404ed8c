import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import type { Preprocessing } from '../image/types.js';
import type { PictureJob, PictureResult } from './picturePool.js';
import { preparePicture } from './preparePicture.js';

/**
 * The worker thread of a picture pool: prepares the files that it is sent, one after another, and answers in the
 * same order.
 */

// A thread for each picture is enough where every core has a worker, and no file is read twice. Both settings hold
// for the whole process.
sharp.concurrency(1);
sharp.cache(false);

const port = parentPort!;
const { preprocessing } = workerData as { preprocessing: Preprocessing };
let last = Promise.resolve();

async function answer({ file, buffer }: PictureJob): Promise<void> {
  const result: PictureResult = await preparePicture(file, preprocessing, buffer && new Float32Array(buffer));
  port.postMessage(result, 'data' in result ? [result.data.buffer] : []);
}

port.on('message', (job: PictureJob) => {
  last = last.then(() => answer(job));
});
port.postMessage('ready');
