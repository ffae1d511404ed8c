import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { imageAt } from '../../data/imageArray.js';
import { type NamedImage, transformSlice } from '../../data/transform.js';
import { decodeImage } from '../decode.js';
import type { SliceJob, ThreadData } from './threads.js';

/** A thread that makes inputs of images: it does its jobs one after another and answers in the same order. */

// A thread for each image is enough where every core has a worker, and no file is read twice. Both settings hold for
// the whole process.
sharp.concurrency(1);
sharp.cache(false);

const port = parentPort!;
const { spec, images } = workerData as ThreadData;

function named(image: string | number): NamedImage {
  if (typeof image === 'string') return { name: image, read: () => decodeImage(image) };
  return { name: `image ${image}`, read: async () => imageAt(images!, image) };
}

let last = Promise.resolve();
port.on('message', (job: SliceJob) => {
  last = last.then(async () => {
    const prepared = await transformSlice(job.images.map(named), spec, job, job.memory);
    port.postMessage(prepared, [prepared.pixels.buffer]);
  });
});
port.postMessage('ready');
