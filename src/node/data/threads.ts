/** Worker threads that read images and make inputs of them. */
import type { ImageSource } from '../../data/dataset.js';
import type { ImageArray, InMemoryDataset } from '../../data/imageArray.js';
import type { Preparer } from '../../data/loader.js';
import type { BatchSlice, PreparedSlice, TransformSpec } from '../../data/transform.js';
import { startWorkerPool } from '../workerPool.js';

/** What a thread is started with. */
export interface ThreadData {
  readonly spec: TransformSpec;
  /** The images, in shared memory, of a data set that has them in memory. */
  readonly images?: ImageArray;
}

/** What a thread is sent; it answers with a PreparedSlice, in the order of its jobs. */
export interface SliceJob {
  readonly epoch: number;
  readonly place: number;
  /** Paths of files, or indices of images in memory. */
  readonly images: readonly (string | number)[];
  /** Memory for the answer, if it is large enough. */
  readonly memory?: ArrayBuffer;
}

const workerUrl = new URL('./worker.js', import.meta.url);

interface Job {
  readonly images: ImageSource;
  readonly slice: BatchSlice;
}

/**
 * Prepares images on `threads` threads, which start with the first slice. The memory of answers is transferred, not
 * copied. A slice whose thread dies is tried once more, then reported as failed.
 *
 * @param array the images, if the data set has them in memory: only that one is prepared then. Of all others each image
 *   is a file, whose path `describe` gives; each is a slice of its own, so that a file that kills its thread fails alone
 */
export function startThreads(
  spec: TransformSpec,
  threads: number,
  array?: ImageArray,
  url: URL = workerUrl,
): Preparer {
  const spare: ArrayBuffer[] = [];
  const pack = ({ images, slice: { epoch, place, indices } }: Job) => {
    const memory = spare.pop();
    const message: SliceJob = {
      epoch,
      place,
      images: Array.from(indices, (index) => (array ? index : images.describe(index))),
      ...(memory ? { memory } : {}),
    };
    return { message, transfer: memory ? [memory] : [] };
  };
  const giveUp = ({ images, slice }: Job, reason: string): PreparedSlice => ({
    pixels: new Float32Array(),
    failures: Array.from(slice.indices, (index, place) => ({
      place,
      message: `${images.describe(index)}: the thread that read it died twice (${reason})`,
    })),
  });
  const start = () =>
    startWorkerPool<Job, PreparedSlice>({
      workers: threads,
      url,
      workerData: { spec, ...(array ? { images: shared(array) } : {}) } satisfies ThreadData,
      purpose: 'read images',
      pack,
      giveUp,
    });
  let pool: ReturnType<typeof start> | undefined;
  return {
    spec,
    threads,
    sliceLength: (count) => (array ? Math.ceil(count / threads) : 1),
    prepare: (images, slice) => {
      pool ??= start();
      return pool.run({ images, slice });
    },
    recycle: ({ buffer }) => void spare.push(buffer),
    close: async () => pool?.close(),
  };
}

function shared(images: ImageArray): ImageArray {
  const data = new Uint8Array(new SharedArrayBuffer(images.data.length));
  data.set(images.data);
  return { ...images, data };
}

/** Whether a data set has its images in memory. */
export function isInMemory(images: ImageSource): images is InMemoryDataset {
  return 'images' in images;
}
