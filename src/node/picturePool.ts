import type { Preprocessing } from '../image/types.js';
import { type Prepared, preparePicture } from './preparePicture.js';
import { startWorkerPool } from './workerPool.js';

/** Prepares pictures: worker threads, or the calling thread. */
export interface PictureSource {
  /** The picture, or why there is none. Rejects only if the source itself cannot work. */
  prepare(file: string): Promise<Prepared>;
  /** Takes a picture's memory back for a later one. The caller must not use it again. */
  recycle(data: Float32Array<ArrayBuffer>): void;
  /** Ends all work; pictures asked for and not yet prepared stay unanswered. */
  close(): Promise<void>;
}

/** What a worker is sent; `buffer` is memory for the answer. */
export interface PictureJob {
  readonly file: string;
  readonly buffer?: ArrayBuffer;
}

/** What a worker answers, in the order of its jobs. */
export type PictureResult = Prepared;

const workerUrl = new URL('./pictureWorker.js', import.meta.url);

/**
 * A pool of `workers` threads that decode. The memory of answers is transferred, not copied. A picture whose worker
 * dies is tried once more, then reported as failed.
 *
 * sharp must be loaded in the main thread before any worker loads it, which the import of preparePicture does.
 */
export function startPicturePool(
  workers: number,
  preprocessing: Preprocessing,
  url: URL = workerUrl,
): PictureSource {
  const spare: ArrayBuffer[] = [];
  const pool = startWorkerPool<string, PictureResult>({
    workers,
    url,
    workerData: { preprocessing },
    purpose: 'decode pictures',
    pack: (file) => {
      const buffer = spare.pop();
      const message: PictureJob = buffer ? { file, buffer } : { file };
      return { message, transfer: buffer ? [buffer] : [] };
    },
    giveUp: (file, reason) => ({ message: `${file}: the thread that decoded it died twice (${reason})` }),
  });
  return {
    prepare: pool.run,
    recycle: (data) => {
      spare.push(data.buffer);
    },
    close: pool.close,
  };
}

/** Prepares pictures in the calling thread, one after another. */
export function inThisThread(preprocessing: Preprocessing): PictureSource {
  const spare: Float32Array<ArrayBuffer>[] = [];
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  return {
    prepare: (file) => {
      const prepared = last.then(() =>
        closed ? { message: `${file}: closed` } : preparePicture(file, preprocessing, spare.pop()),
      );
      last = prepared;
      return prepared;
    },
    recycle: (data) => {
      spare.push(data);
    },
    close: async () => {
      closed = true;
      await last;
    },
  };
}
