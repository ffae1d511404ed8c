import { join } from 'node:path';
import { UserError } from '../errors.js';
import { type EvaluationResult, evaluate, type ScoredBatch, scoreBatches } from '../evaluate/index.js';
import type { Preprocessing } from '../image/types.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { JsonLinesWriter } from './jsonLines.js';
import { preparePictures } from './picturePipeline.js';
import { scoreOnThreads } from './scorePool.js';
import type { ValFolder } from './valFolder.js';

/** What computes: a model in this thread with threads that decode for it, or threads with a model each. */
export type Scorer =
  | { readonly model: VisionTransformer; readonly decodeThreads: number }
  | { readonly modelPath: string; readonly threads: number };

export interface EvaluateFolderOptions {
  preprocessing: Preprocessing;
  /** Pictures to a batch. */
  batchSize: number;
  /** File for one JSON line a picture, written as they come. */
  predictions?: string;
  /** Whether the first picture that cannot be read is an error. */
  strict: boolean;
  /** Called with the number of pictures that are done, failed ones included. */
  onProgress?: (done: number) => void;
  /** Called with one line for each picture that cannot be read. */
  onFailure?: (message: string) => void;
}

/** Evaluates a model on a val folder: batches are decoded while others run. */
export async function evaluateFolder(
  scorer: Scorer,
  folder: ValFolder,
  options: EvaluateFolderOptions,
): Promise<EvaluationResult> {
  const files = folder.pictures.map(({ file }) => join(folder.root, file));
  const predictions = options.predictions ? await JsonLinesWriter.create(options.predictions) : undefined;
  let done = 0;
  try {
    return await evaluate(folder.pictures, score(scorer, files, options), {
      async onPrediction(prediction) {
        await predictions?.write(prediction);
        options.onProgress?.(++done);
      },
      onFailure(_file, message) {
        if (options.strict) throw new UserError(`${message}; --strict stops here`);
        options.onFailure?.(message);
        options.onProgress?.(++done);
      },
    });
  } finally {
    await predictions?.close();
  }
}

function score(
  scorer: Scorer,
  files: readonly string[],
  { preprocessing, batchSize }: EvaluateFolderOptions,
): AsyncIterable<ScoredBatch> {
  if ('threads' in scorer) {
    return scoreOnThreads(files, {
      model: scorer.modelPath,
      preprocessing,
      batchSize,
      threads: scorer.threads,
    });
  }
  const workers = scorer.decodeThreads;
  return scoreBatches(scorer.model, preparePictures(files, { preprocessing, batchSize, workers }));
}
