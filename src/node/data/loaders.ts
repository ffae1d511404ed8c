/** Loaders on threads. */
import { checkArguments } from '../../checkArguments.js';
import type { AugmentConfig, DataConfig } from '../../data/config.js';
import type { Dataset } from '../../data/dataset.js';
import {
  type EvalLoader,
  evalLoader,
  inThisThread,
  type Preparer,
  type TrainLoader,
  trainLoader,
} from '../../data/loader.js';
import type { TransformSpec } from '../../data/transform.js';
import type { Preprocessing } from '../../image/types.js';
import { openDataset } from './openDataset.js';
import { isInMemory, startThreads } from './threads.js';

export interface EvalDataOptions {
  readonly data: DataConfig;
  readonly preprocessing: Preprocessing;
  /** Threads that read and transform; 0 for none but the caller's. */
  readonly workers: number;
}

export interface TrainDataOptions extends EvalDataOptions {
  readonly augment: AugmentConfig;
  readonly seed: number;
}

/**
 * Opens training data: read and augmented on `workers` threads, the same bytes for any number of them.
 *
 * @throws UserError as openDataset, and for a randAugment that is not understood
 */
export async function openTrainData(options: TrainDataOptions): Promise<TrainLoader> {
  checkData('openTrainData', options);
  checkArguments('openTrainData', { seed: ['count', options.seed], augment: ['fields', options.augment] });
  const { data, augment, preprocessing, seed, workers } = options;
  const dataset = await openDataset(data);
  const spec = { preprocessing, training: { augment, seed } };
  return trainLoader(dataset, preparerFor(spec, workers, dataset));
}

/** Opens data to evaluate on: no augmentation, the data set's own order. */
export async function openEvalData(options: EvalDataOptions): Promise<EvalLoader> {
  checkData('openEvalData', options);
  const { data, preprocessing, workers } = options;
  return loadDataset(await openDataset(data), preprocessing, workers);
}

function checkData(what: string, options: EvalDataOptions): void {
  checkArguments(what, { options: ['fields', options] });
  const { data, preprocessing, workers } = options;
  checkArguments(what, {
    data: ['fields', data],
    preprocessing: ['preprocessing', preprocessing],
    workers: ['count', workers],
  });
}

/** Loads a data set to evaluate on. */
export function loadDataset(dataset: Dataset, preprocessing: Preprocessing, workers: number): EvalLoader {
  return evalLoader(dataset, preparerFor({ preprocessing }, workers, dataset));
}

/**
 * Prepares images on `workers` threads, or in the calling thread for 0.
 *
 * @param dataset the only one that is prepared, if it is in memory; files of any other may come
 */
export function preparerFor(spec: TransformSpec, workers: number, dataset?: Dataset): Preparer {
  if (!Number.isInteger(workers) || workers < 0) throw new RangeError(`workers is ${workers}, expected ≥ 0`);
  if (workers === 0) return inThisThread(spec);
  // No more threads than there are images.
  const threads = dataset ? Math.max(1, Math.min(workers, dataset.length)) : workers;
  return startThreads(spec, threads, dataset && isInMemory(dataset) ? dataset.images : undefined);
}
