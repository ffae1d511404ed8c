import { join } from 'node:path';
import { UserError } from '../errors.js';
import { type EvaluationResult, evaluate } from '../evaluate/index.js';
import type { Preprocessing } from '../image/types.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { JsonLinesWriter } from './jsonLines.js';
import { preparePictures } from './picturePipeline.js';
import type { ValFolder } from './valFolder.js';

export interface EvaluateFolderOptions {
  preprocessing: Preprocessing;
  /** Pictures to a batch. */
  batchSize: number;
  /** Threads that decode; 0 decodes in the calling thread. */
  workers: number;
  /** File for one JSON line a picture, written as they come. */
  predictions?: string;
  /** Whether the first picture that cannot be read is an error. */
  strict: boolean;
  /** Called with the number of pictures that are done, failed ones included. */
  onProgress?: (done: number) => void;
  /** Called with one line for each picture that cannot be read. */
  onFailure?: (message: string) => void;
}

/** Evaluates a model on a val folder: the next batches are decoded while one runs. */
export async function evaluateFolder(
  model: VisionTransformer,
  folder: ValFolder,
  options: EvaluateFolderOptions,
): Promise<EvaluationResult> {
  const { preprocessing, batchSize, workers } = options;
  const files = folder.pictures.map(({ file }) => join(folder.root, file));
  const predictions = options.predictions ? await JsonLinesWriter.create(options.predictions) : undefined;
  let done = 0;
  try {
    return await evaluate(
      model,
      folder.pictures,
      preparePictures(files, { preprocessing, batchSize, workers }),
      {
        async onPrediction(prediction) {
          await predictions?.write(prediction);
          options.onProgress?.(++done);
        },
        onFailure(_file, message) {
          if (options.strict) throw new UserError(`${message}; --strict stops here`);
          options.onFailure?.(message);
          options.onProgress?.(++done);
        },
      },
    );
  } finally {
    await predictions?.close();
  }
}
