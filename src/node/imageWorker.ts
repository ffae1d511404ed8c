import { parentPort } from 'node:worker_threads';
import { UserError } from '../errors.js';
import { preprocess } from '../image/preprocess.js';
import type { RgbImage } from '../image/types.js';
import { levelsToRgb } from '../models/levelsToRgb.js';
import { dropAlpha } from '../models/pixels.js';
import { decodeImage } from './decode.js';
import type { ImageJob, ImageWork, PreparedImage } from './imageThreads.js';

/** A thread of classify: prepares the images that it is sent, and answers in the order in which they came. */

const port = parentPort!;
let last = Promise.resolve();

async function decode(work: ImageWork): Promise<RgbImage> {
  if ('file' in work) return decodeImage(work.file);
  // A copy of its own: sharp takes no shared memory.
  if ('bytes' in work) return decodeImage(work.bytes.slice(), work.label);
  if ('levels' in work) return levelsToRgb(work);
  return dropAlpha({ data: work.pixels, width: work.width, height: work.height });
}

async function prepare({ work, preprocessing }: ImageJob): Promise<PreparedImage> {
  try {
    return { data: preprocess(await decode(work), preprocessing) };
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof UserError) return { message };
    return { message: `${'file' in work ? work.file : 'image'}: ${message.replaceAll('\n', ' ')}` };
  }
}

port.on('message', (job: ImageJob) => {
  const prepared = prepare(job);
  last = last.then(async () => {
    const result = await prepared;
    port.postMessage(result, 'data' in result ? [result.data.buffer] : []);
  });
});
port.postMessage('ready');
