/** Batches of a data set: images are read and transformed ahead while the caller works on the batch before. */
import { checkArguments } from '../checkArguments.js';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { prefetch } from '../prefetch.js';
import { epochOrder } from './augment/order.js';
import { parseRandAugment } from './augment/randAugment.js';
import type { Dataset, ImageSource } from './dataset.js';
import {
  type BatchSlice,
  inputLength,
  type PreparedSlice,
  type TransformSpec,
  transformSlice,
} from './transform.js';

/** An image that could not be read. */
export interface ImageFailure {
  /** Its index in the data set. */
  readonly index: number;
  /** One line that names the image. */
  readonly message: string;
}

/** Images of a batch, ready for a model. */
export interface ImageBatch {
  /** float32 [images, H, W, 3], normalised. The memory is the receiver's. */
  readonly pixels: Float32Array;
  /** [images] their indices in the data set. */
  readonly indices: ArrayLike<number>;
  /** Images of the batch that could not be read; none if absent. */
  readonly failures?: readonly ImageFailure[];
}

/** Images of a training batch: all of them could be read. */
export interface TrainBatch {
  /** float32 [images, H, W, 3], normalised. */
  readonly pixels: Float32Array;
  /** [images] class indices. */
  readonly labels: Int32Array;
  /** [images] their indices in the data set. */
  readonly indices: Int32Array;
}

/** Batches in the data set's order, not augmented; the last one has what is left. */
export interface EvalLoader extends Pick<Dataset, 'name' | 'length' | 'classNames' | 'describe'> {
  /** [length] class indices. */
  readonly labels: ArrayLike<number>;
  /** @param order indices of the images to load, in their order; all by default */
  batches(batchSize: number, order?: Int32Array): AsyncIterable<ImageBatch>;
  close(): Promise<void>;
}

/**
 * Batches for training. The same seed, epoch and batch size give the same batches to the bit, whatever the number of
 * threads and wherever `start` is: the order follows from (seed, epoch), each image's random choices from (seed, epoch,
 * place in the epoch) alone.
 */
export interface TrainLoader extends Pick<Dataset, 'name' | 'length' | 'classNames' | 'describe'> {
  /** [length] class indices, where they are known. */
  readonly labels?: ArrayLike<number>;
  /** Whole batches in an epoch: the last part of a batch is left out, as in facebookresearch/deit. */
  batchesPerEpoch(batchSize: number): number;
  /**
   * An epoch's augmented batches in random order.
   *
   * @param options.start batches to leave out at the front of the epoch: resuming goes on there
   */
  batches(
    epoch: number,
    options: { readonly batchSize: number; readonly start: number },
  ): AsyncIterable<TrainBatch>;
  close(): Promise<void>;
}

/** Makes inputs of images: in the calling thread, or on worker threads. */
export interface Preparer {
  readonly spec: TransformSpec;
  /** Threads that work, 0 for the calling one alone. */
  readonly threads: number;
  /** Images of a batch of `count` that are prepared in one go. */
  sliceLength(count: number): number;
  /** Rejects only if the preparer itself cannot work. */
  prepare(images: ImageSource, slice: BatchSlice): Promise<PreparedSlice>;
  /** Takes the memory of a slice's pixels back for a later one. The caller must not use it again. */
  recycle(pixels: Float32Array<ArrayBuffer>): void;
  /** Ends all work; slices asked for and not yet prepared stay unanswered. */
  close(): Promise<void>;
}

/** Prepares images in the calling thread, one after another. */
export function inThisThread(spec: TransformSpec): Preparer {
  checkArguments('inThisThread', { spec: ['transform', spec] });
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  return {
    spec,
    threads: 0,
    sliceLength: (count) => count,
    prepare: (images, slice) => {
      const read = (index: number) => ({
        name: images.describe(index),
        read: async () => {
          if (closed) throw new UserError(`${images.describe(index)}: closed`);
          return images.read(index);
        },
      });
      const prepared = last.then(() => transformSlice(Array.from(slice.indices, read), spec, slice));
      last = prepared;
      return prepared;
    },
    recycle: () => {},
    close: async () => {
      closed = true;
      await last;
    },
  };
}

/** Loads a data set's images in its own order. Closing it closes the preparer. */
export function evalLoader(dataset: Dataset, preparer: Preparer): EvalLoader {
  checkArguments('evalLoader', { dataset: ['dataset', dataset], preparer: ['preparer', preparer] });
  const { name, length, classNames, describe, labels } = dataset;
  return {
    name,
    length,
    classNames,
    labels,
    describe,
    batches: (batchSize, order) => loadBatches(dataset, preparer, batchSize, order),
    close: preparer.close,
  };
}

/**
 * Loads a data set for training: an order and augmentations that follow from the seed alone. Closing it closes the
 * preparer. Its batches throw a UserError that names the first image that cannot be read.
 *
 * @throws UserError for a randAugment that is not understood
 */
export function trainLoader(dataset: Dataset, preparer: Preparer): TrainLoader {
  checkArguments('trainLoader', { dataset: ['dataset', dataset], preparer: ['preparer', preparer] });
  const { training } = preparer.spec;
  if (!training) throw new UserError('trainLoader: the preparer does not augment: its spec lacks `training`');
  const { augment, seed } = training;
  if (augment.randAugment !== null) parseRandAugment(augment.randAugment);
  const { name, length, classNames, describe, labels } = dataset;
  const batchesPerEpoch = (batchSize: number) => Math.floor(length / requireBatchSize(batchSize));
  return {
    name,
    length,
    classNames,
    labels,
    describe,
    batchesPerEpoch,
    async *batches(epoch, { batchSize, start }) {
      const order = epochOrder(length, augment.repeats, seed, epoch);
      const slices = cut(order, batchSize, epoch).slice(start, batchesPerEpoch(batchSize));
      for await (const { pixels, indices, failures } of loadSlices(dataset, preparer, slices)) {
        if (failures[0]) throw new UserError(failures[0].message);
        yield { pixels, labels: indices.map((index) => labels[index]!), indices };
      }
    },
    close: preparer.close,
  };
}

/** A batch whose indices are in an array of the same type. */
type LoadedBatch = ImageBatch & {
  readonly indices: Int32Array;
  readonly failures: readonly ImageFailure[];
};

/**
 * Images as batches. An image that cannot be read is named in `failures`, and the rest goes on.
 *
 * @param order indices of the images to load, in their order; all by default
 */
export function loadBatches(
  images: ImageSource,
  preparer: Preparer,
  batchSize: number,
  order: Int32Array = Int32Array.from({ length: images.length }, (_, index) => index),
): AsyncGenerator<LoadedBatch, void, undefined> {
  return loadSlices(images, preparer, cut(order, requireBatchSize(batchSize), 0));
}

function requireBatchSize(batchSize: number): number {
  if (Number.isInteger(batchSize) && batchSize >= 1) return batchSize;
  throw new UserError(`batchSize is a whole number of at least 1, got ${describeValue(batchSize)}`);
}

/** The order in pieces of one batch, the last one as long as what is left. */
function cut(order: Int32Array, length: number, epoch: number, place = 0): BatchSlice[] {
  return Array.from({ length: Math.ceil(order.length / length) }, (_, i) => ({
    epoch,
    place: place + i * length,
    indices: order.slice(i * length, (i + 1) * length),
  }));
}

/** Batches in preparation besides the one that the caller has; they bound the memory. */
const BATCHES_AHEAD = 2;

function loadSlices(
  images: ImageSource,
  preparer: Preparer,
  slices: readonly BatchSlice[],
): AsyncGenerator<LoadedBatch, void, undefined> {
  const longest = slices[0]?.indices.length ?? 1;
  // Small batches need more of them in preparation for every thread to have one image in work and one waiting.
  const waiting = (2 * preparer.threads * preparer.sliceLength(longest)) / longest;
  let next = 0;
  const start = () => (next < slices.length ? prepareBatch(images, preparer, slices[next++]!) : undefined);
  return prefetch(start, Math.max(BATCHES_AHEAD, Math.ceil(waiting)));
}

async function prepareBatch(
  images: ImageSource,
  preparer: Preparer,
  { epoch, place, indices }: BatchSlice,
): Promise<LoadedBatch> {
  const parts = cut(indices, preparer.sliceLength(indices.length), epoch, place);
  if (parts.length === 1) {
    const { pixels, failures } = await preparer.prepare(images, parts[0]!);
    return readable(indices, pixels, failures);
  }
  const length = inputLength(preparer.spec);
  const pixels = new Float32Array(indices.length * length);
  // Each part is copied to its place as soon as it is there.
  const failures = await Promise.all(
    parts.map(async (part) => {
      const prepared = await preparer.prepare(images, part);
      const start = part.place - place;
      pixels.set(prepared.pixels, start * length);
      preparer.recycle(prepared.pixels);
      return prepared.failures.map((failure) => ({ ...failure, place: start + failure.place }));
    }),
  );
  return readable(indices, pixels, failures.flat());
}

/** A batch without the images that could not be read. */
function readable(
  indices: Int32Array,
  pixels: Float32Array<ArrayBuffer>,
  failures: PreparedSlice['failures'],
): LoadedBatch {
  if (failures.length === 0) return { pixels, indices, failures: [] };
  const length = pixels.length / indices.length;
  const failed = new Set(failures.map(({ place }) => place));
  const read = [...indices.keys()].filter((place) => !failed.has(place));
  for (const [row, place] of read.entries()) {
    pixels.copyWithin(row * length, place * length, (place + 1) * length);
  }
  return {
    pixels: pixels.subarray(0, read.length * length),
    indices: Int32Array.from(read, (place) => indices[place]!),
    failures: failures.map(({ place, message }) => ({ index: indices[place]!, message })),
  };
}
