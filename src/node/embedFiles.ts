/** Features of many image files: decoded on worker threads while the model computes. */
import { loadBatches } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { Preprocessing } from '../image/types.js';
import { checkRgb } from '../models/classify.js';
import { type EmbeddingPool, pooledEmbedding } from '../models/embedding.js';
import type { ImageClassifier } from '../models/imageClassifier.js';
import type { FileSource } from './data/fileDataset.js';
import { preparerFor } from './data/loaders.js';

export interface EmbedFilesOptions {
  readonly preprocessing: Preprocessing;
  readonly pool: EmbeddingPool;
  /** Images to a batch. */
  readonly batchSize: number;
  /** Threads that decode; 0 decodes in the calling thread. */
  readonly workers: number;
  /** Called with the number of files that are done, failed ones included. */
  readonly onProgress?: (done: number) => void;
  /** Called with one line, which begins with the file, for each image without features. */
  readonly onFailure?: (message: string) => void;
}

/** Features of the files that have some. */
export interface FileFeatures {
  /** Places in the list of files, in its order. */
  readonly indices: readonly number[];
  /** float32 [indices.length, width]. */
  readonly values: Float32Array;
  readonly width: number;
  /** How many files have none. */
  readonly failed: number;
}

/** The features of each file, in the list's order. A file that cannot be read is told to onFailure and left out. */
export async function embedFiles(
  model: ImageClassifier,
  images: FileSource,
  { preprocessing, pool, batchSize, workers, onProgress, onFailure }: EmbedFilesOptions,
): Promise<FileFeatures> {
  const { config } = model;
  checkRgb(config);
  const width = (pool === 'both' ? 2 : 1) * config.embedDim;
  const values = new Float32Array(images.length * width);
  const indices: number[] = [];
  let done = 0;
  const preparer = preparerFor({ preprocessing }, Math.min(workers, images.length));
  try {
    for await (const batch of loadBatches(images, preparer, batchSize)) {
      for (const { message } of batch.failures) onFailure?.(message);
      const count = batch.indices.length;
      const rows = count > 0 ? await model.embedPixels(batch.pixels, count) : new Float32Array();
      for (const [i, index] of batch.indices.entries()) {
        const row = rows.subarray((i * rows.length) / count, ((i + 1) * rows.length) / count);
        const features = pooledEmbedding(config, row, pool);
        if (!features.every(Number.isFinite)) {
          throw new UserError(
            `${images.describe(index)}: its features hold a value that is not finite; a weight or the preprocessing is not, or values overflow: convert the checkpoint again, or try another --backend`,
          );
        }
        values.set(features, indices.length * width);
        indices.push(index);
      }
      done += count + batch.failures.length;
      onProgress?.(done);
    }
  } finally {
    await preparer.close();
  }
  const failed = images.length - indices.length;
  return { indices, values: values.subarray(0, indices.length * width), width, failed };
}
