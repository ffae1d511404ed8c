import { UserError } from '../errors.js';
import {
  evalData,
  inThisThread,
  type Preparer,
  type Recipe,
  type Stretch,
  trainData,
} from '../train/data/batches.js';
import type { LevelSet } from '../train/data/levelSets.js';
import type { Levels } from '../train/data/levels.js';
import type { OpenEvalData, OpenTrainData, PictureSet } from '../train/data/types.js';
import { type FileSet, openPictureSet } from './pictureSets.js';
import { startWorkerPool } from './workerPool.js';

/** What a training thread is started with. */
export interface TrainWorkerData {
  readonly recipe: Recipe;
  /** Shared memory, for pictures that lie in memory. */
  readonly levels?: Levels;
}

/** Pictures that a thread is to make: their files, or their places in the levels. */
export interface TrainJob {
  readonly epoch: number;
  readonly place: number;
  readonly pictures: readonly (string | number)[];
}

/** What it answers: float32 [pictures.length, H, W, 3], or one line that names the picture that gave none. */
export type TrainResult = { readonly pixels: Float32Array<ArrayBuffer> } | { readonly message: string };

const workerUrl = new URL('./trainWorker.js', import.meta.url);

/** Opens training data: read and augmented on `workers` threads, the same bytes for any number of them. */
export const openTrainData: OpenTrainData = async ({ data, augment, preprocessing, seed, workers }) => {
  const set = await openPictureSet(data);
  const training = { augment, seed };
  return trainData(set, preparerFor(set, { preprocessing, training }, workers), training);
};

/** Opens data to evaluate on: no augmentation, the set's own order. */
export const openEvalData: OpenEvalData = async ({ data, preprocessing, workers }) => {
  const set = await openPictureSet(data);
  return evalData(set, preparerFor(set, { preprocessing }, workers));
};

function preparerFor(set: FileSet | LevelSet, recipe: Recipe, workers: number): Preparer {
  return workers === 0 ? inThisThread(set, recipe) : onThreads(set, recipe, workers);
}

/** Prepares pictures on a pool of threads, which starts with the first stretch. Each takes a part of every stretch. */
function onThreads(set: FileSet | LevelSet, recipe: Recipe, workers: number): Preparer {
  const levels = 'levels' in set ? shared(set.levels) : undefined;
  const pictureOf = (index: number) => ('files' in set ? set.files[index] : index);
  const start = () =>
    startWorkerPool<TrainJob, TrainResult>({
      workers,
      url: workerUrl,
      workerData: { recipe, levels } satisfies TrainWorkerData,
      purpose: 'read training pictures',
      pack: (message) => ({ message, transfer: [] }),
      giveUp: ({ pictures }, reason) => {
        const first = typeof pictures[0] === 'string' ? pictures[0] : describe(set, pictures[0]);
        return { message: `the thread that read ${first} and those after it died twice (${reason})` };
      },
    });
  let pool: ReturnType<typeof start> | undefined;
  const part = async ({ epoch, place, indices }: Stretch) => {
    pool ??= start();
    const result = await pool.run({ epoch, place, pictures: Array.from(indices, pictureOf) });
    if ('pixels' in result) return result.pixels;
    throw new UserError(result.message);
  };
  return {
    prepare: async (stretch) => joined(await Promise.all(parts(stretch, workers).map(part))),
    close: async () => {
      await pool?.close();
      await set.close();
    },
  };
}

function describe(set: PictureSet, index: number): string {
  return set.describe(index);
}

function shared(levels: Levels): Levels {
  const data = new Uint8Array(new SharedArrayBuffer(levels.data.length));
  data.set(levels.data);
  return { ...levels, data };
}

/** A stretch in up to `count` pieces of about one length. */
function parts({ epoch, place, indices }: Stretch, count: number): Stretch[] {
  const size = Math.ceil(indices.length / count);
  return Array.from({ length: Math.ceil(indices.length / size) }, (_, i) => ({
    epoch,
    place: place + i * size,
    indices: indices.slice(i * size, (i + 1) * size),
  }));
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  if (pieces.length === 1) return pieces[0];
  const all = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
