import { preprocess } from '../../image/preprocess.js';
import type { Preprocessing } from '../../image/types.js';
import { inOrder } from '../../inOrder.js';
import { augmentPicture } from '../augment/augmentPicture.js';
import { epochOrder } from '../augment/order.js';
import { parseRandAugment } from '../augment/randAugment.js';
import type { AugmentConfig, EvalData, PictureBatch, PictureSet, TrainData } from './types.js';

/** How the pictures of a set become inputs. Plain data: worker threads get it. */
export interface Recipe {
  readonly preprocessing: Preprocessing;
  /** Absent for evaluation: resized, cropped and normalised, nothing more. */
  readonly training?: { readonly augment: AugmentConfig; readonly seed: number };
}

/** Pictures that stand one after another in an epoch. */
export interface Stretch {
  readonly epoch: number;
  /** Place of the first in the epoch. */
  readonly place: number;
  /** Their places in the set. */
  readonly indices: Int32Array;
}

/** Makes inputs of pictures: the calling thread, or worker threads. */
export interface Preparer {
  /** float32 [indices.length, H, W, 3]. Throws a UserError that names the first picture that cannot be read. */
  prepare(stretch: Stretch): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Batches in preparation besides the one that the caller has; they bound the memory. */
const BATCHES_AHEAD = 2;

/** Prepares pictures in the calling thread. */
export function inThisThread(set: PictureSet, recipe: Recipe): Preparer {
  const prepare = async ({ epoch, place, indices }: Stretch) => {
    const [height, width] = recipe.preprocessing.crop;
    const length = height * width * 3;
    const pixels = new Float32Array(indices.length * length);
    for (const [i, index] of indices.entries()) {
      const out = pixels.subarray(i * length, (i + 1) * length);
      makeInput(await set.read(index), recipe, epoch, place + i, out);
    }
    return pixels;
  };
  return { prepare, close: () => set.close() };
}

/** One picture as an input, written to `out`, float32 [H, W, 3]. */
export function makeInput(
  image: Parameters<typeof preprocess>[0],
  { preprocessing, training }: Recipe,
  epoch: number,
  place: number,
  out: Float32Array<ArrayBuffer>,
): void {
  if (!training) preprocess(image, preprocessing, out);
  else augmentPicture(image, training.augment, preprocessing, { seed: training.seed, epoch, place }, out);
}

/**
 * Training batches of a set: an order and augmentations that follow from the seed alone, whoever prepares the pictures.
 *
 * @throws UserError for a randAugment that is not understood
 */
export function trainData(
  set: PictureSet,
  preparer: Preparer,
  { augment, seed }: NonNullable<Recipe['training']>,
): TrainData {
  if (augment.randAugment !== null) parseRandAugment(augment.randAugment);
  const batchesPerEpoch = (batchSize: number) => Math.floor(set.length / requireBatchSize(batchSize));
  return {
    name: set.name,
    length: set.length,
    classNames: set.classNames,
    describe: set.describe,
    batchesPerEpoch,
    batches: (epoch, { batchSize, start }) => {
      const order = epochOrder(set.length, augment.repeats, seed, epoch);
      const stretches = cut(order, batchSize, epoch).slice(start, batchesPerEpoch(batchSize));
      return preparedAhead(set, preparer, stretches);
    },
    close: preparer.close,
  };
}

/** A set's pictures in its own order. */
export function evalData(set: PictureSet, preparer: Preparer): EvalData {
  const order = Int32Array.from({ length: set.length }, (_, index) => index);
  return {
    name: set.name,
    length: set.length,
    classNames: set.classNames,
    batches: (batchSize) => preparedAhead(set, preparer, cut(order, requireBatchSize(batchSize), 0)),
    close: preparer.close,
  };
}

function requireBatchSize(batchSize: number): number {
  if (Number.isInteger(batchSize) && batchSize >= 1) return batchSize;
  throw new RangeError(`batchSize is ${batchSize}, expected ≥ 1`);
}

/** The order in pieces of one batch, the last one as long as what is left. */
function cut(order: Int32Array, batchSize: number, epoch: number): Stretch[] {
  return Array.from({ length: Math.ceil(order.length / batchSize) }, (_, i) => {
    const place = i * batchSize;
    return { epoch, place, indices: order.slice(place, place + batchSize) };
  });
}

/** Batches in order, the next ones in preparation while the caller works on one. */
function preparedAhead(
  set: PictureSet,
  preparer: Preparer,
  stretches: readonly Stretch[],
): AsyncGenerator<PictureBatch, void, undefined> {
  const prepare = async (stretch: Stretch): Promise<PictureBatch> => {
    const { indices } = stretch;
    const pixels = await preparer.prepare(stretch);
    return { pixels, labels: indices.map((index) => set.labels[index]), indices };
  };
  let next = 0;
  const begin = () => (next < stretches.length ? prepare(stretches[next++]) : undefined);
  return inOrder(begin, BATCHES_AHEAD);
}
