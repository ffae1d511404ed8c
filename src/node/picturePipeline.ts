import type { Preprocessing } from '../image/types.js';
import { inOrder } from '../inOrder.js';
import { unlessAborted } from '../unlessAborted.js';
import { inThisThread, type PictureSource, startPicturePool } from './picturePool.js';

export interface PictureOptions {
  readonly preprocessing: Preprocessing;
  /** Files to a batch; the last may have fewer. */
  readonly batchSize: number;
  /** Threads that decode; 0 decodes in the calling thread. */
  readonly workers: number;
  /** Ends the work: the iteration then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A file that gave no picture. */
export interface PictureFailure {
  /** Its place in the list of files. */
  readonly index: number;
  readonly file: string;
  /** One line that begins with the file. */
  readonly message: string;
}

/** What came of the files `start` to `start + count` of the list. */
export interface PictureBatch {
  readonly start: number;
  readonly count: number;
  /** The files that gave a picture, in the list's order. There may be none. */
  readonly files: readonly string[];
  /** Their places in the list. */
  readonly indices: readonly number[];
  /** Their pictures: float32 [files.length, H, W, 3]. The memory is the receiver's. */
  readonly data: Float32Array<ArrayBuffer>;
  /** The files that did not, in the list's order. */
  readonly failures: readonly PictureFailure[];
}

/** Batches in preparation besides the one that the caller holds; together they bound the memory. */
const BATCHES_AHEAD = 2;

/** Prepares files `start` to `start + count`. Each picture is copied to its place as soon as it is there. */
async function prepareBatch(
  source: PictureSource,
  files: readonly string[],
  start: number,
  count: number,
  pictureLength: number,
): Promise<PictureBatch> {
  const places = new Float32Array(count * pictureLength);
  const prepareAt = async (place: number): Promise<string | undefined> => {
    const prepared = await source.prepare(files[start + place]!);
    if ('message' in prepared) return prepared.message;
    places.set(prepared.data, place * pictureLength);
    source.recycle(prepared.data);
    return undefined;
  };
  const messages = await Promise.all(Array.from({ length: count }, (_, place) => prepareAt(place)));

  const indices: number[] = [];
  const failures: PictureFailure[] = [];
  messages.forEach((message, place) => {
    const index = start + place;
    if (message !== undefined) {
      failures.push({ index, file: files[index]!, message });
      return;
    }
    // Closes the gaps that failures left.
    if (indices.length < place) {
      const begin = place * pictureLength;
      places.copyWithin(indices.length * pictureLength, begin, begin + pictureLength);
    }
    indices.push(index);
  });
  const data = places.subarray(0, indices.length * pictureLength);
  return { start, count, files: indices.map((index) => files[index]!), indices, data, failures };
}

/**
 * The pictures of `files` as batches for a model, in the order of the list: decoded, resized, cropped and
 * normalised on worker threads while the caller works on the batch before. At most two batches are in preparation
 * besides the one that was given out, so memory does not grow with the number of files.
 *
 * A file that gives no picture is named in `failures`, and the rest goes on. The threads end when the iteration
 * ends, also by `break`, by an error in the caller's loop or by the signal. Throws a RangeError for a batchSize
 * below 1 or a negative number of workers, and a UserError if the threads cannot be started.
 */
export async function* preparePictures(
  files: readonly string[],
  options: PictureOptions,
): AsyncGenerator<PictureBatch, void, undefined> {
  const { preprocessing, batchSize, signal } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new RangeError(`batchSize is ${batchSize}, expected ≥ 1`);
  const workers = Math.min(options.workers, files.length);
  if (!Number.isInteger(workers) || workers < 0) throw new RangeError(`workers is ${workers}, expected ≥ 0`);
  signal?.throwIfAborted();

  const pictureLength = preprocessing.crop[0] * preprocessing.crop[1] * 3;
  // Small batches need more of them in preparation for every worker to have one picture in work and one waiting.
  const ahead = Math.max(BATCHES_AHEAD, Math.ceil((2 * workers) / batchSize));
  const source = workers === 0 ? inThisThread(preprocessing) : startPicturePool(workers, preprocessing);
  let next = 0;
  const begin = () => {
    if (next === files.length) return undefined;
    const count = Math.min(batchSize, files.length - next);
    const batch = prepareBatch(source, files, next, count, pictureLength);
    next += count;
    return unlessAborted(batch, signal);
  };
  try {
    yield* inOrder(begin, ahead);
  } finally {
    await source.close();
  }
}
