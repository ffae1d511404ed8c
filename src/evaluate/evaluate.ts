import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../checkArguments.js';
import type { EvalLoader, ImageBatch, ImageFailure } from '../data/loader.js';
import { DeviceLost } from '../deviceLost.js';
import type { ImageModel } from '../models/imageModel.js';
import { type Accuracy, Metrics } from './metrics.js';
import { type ImagePrediction, predictionOf } from './prediction.js';

/** A batch that a model has classified. */
export interface PredictedBatch {
  /** float32 [indices.length, classes]. */
  readonly logits: Float32Array;
  /** The logits of the class head and of the distillation head, where they were asked for and there are two. */
  readonly heads?: readonly Float32Array[];
  /** Index (in the data set) of each row of `logits`. */
  readonly indices: ArrayLike<number>;
  /** Images of the batch that could not be read. */
  readonly failures: readonly ImageFailure[];
}

export interface EvaluationResult extends Accuracy {
  /** Number of images that could not be read. */
  failed: number;
  /** Images classified in a second by this run, reading included. */
  imagesPerSecond: number;
}

/** All are awaited before the next batch is taken. */
export interface EvaluateHooks {
  /** Called for each image before it is counted. */
  onPrediction?: (
    index: number,
    prediction: ImagePrediction,
    logits: Float32Array,
    heads: readonly Float32Array[],
  ) => void | Promise<void>;
  /** Called instead for an image that was counted before. */
  onRepeated?: (index: number, prediction: ImagePrediction) => void | Promise<void>;
  onFailure?: (index: number, message: string) => void | Promise<void>;
  /** Called after each batch; false ends the evaluation. */
  onBatch?: () => boolean;
}

/** What evaluation needs of a model. */
export type Classifier = Pick<
  ImageModel,
  'predict' | 'predictPixels' | 'headPixels' | 'predictHeads' | 'hasRuntime' | 'onBackend'
> & { readonly config: Pick<ImageModel['config'], 'imgSize'> };

/** Classifies the images of a loader and measures accuracy: predictBatches, then measure. */
export function evaluate(
  model: Classifier,
  loader: EvalLoader,
  options: EvaluateHooks & { readonly batchSize: number },
): Promise<EvaluationResult> {
  checkArguments('evaluate', {
    model: ['anyModel', model],
    loader: ['evalLoader', loader],
    options: ['fields', options],
  });
  const { batchSize, ...hooks } = options;
  checkArguments('evaluate', { batchSize: ['size', batchSize] });
  return measure(predictBatches(model, loader.batches(batchSize)), loader, hooks);
}

export interface PredictBatchesOptions {
  /** Whether both heads' logits of a distilled model are wanted, which are given where the model runs layer by layer. */
  readonly heads?: boolean;
  /** Gives the model that goes on, from the same batch, where the GPU of the one before was lost; rejects if none can. */
  readonly recover?: (loss: DeviceLost) => Promise<Classifier>;
}

/** Runs a model over batches, one after another. */
export async function* predictBatches(
  model: Classifier,
  batches: AsyncIterable<ImageBatch>,
  { heads = false, recover }: PredictBatchesOptions = {},
): AsyncGenerator<PredictedBatch, void, undefined> {
  checkArguments('predictBatches', { model: ['anyModel', model], batches: ['stream', batches] });
  let current = model;
  const answer = async (batch: ImageBatch): Promise<Pick<PredictedBatch, 'logits' | 'heads'>> => {
    try {
      return await logitsOf(current, batch, heads);
    } catch (error) {
      if (!recover || !(error instanceof DeviceLost)) throw error;
      current = await recover(error);
      return answer(batch);
    }
  };
  for await (const batch of batches) {
    const { indices, failures = [] } = batch;
    yield { ...(await answer(batch)), indices, failures };
  }
}

/**
 * Measures accuracy (top-1, top-5, mean cross-entropy) from what a model said of each image.
 *
 * @param counted what is known already, e.g. from a run that was cut off; new images are added to it
 * @throws UserError if a logit is NaN or infinite
 */
export async function measure(
  batches: AsyncIterable<PredictedBatch>,
  data: Pick<EvalLoader, 'length' | 'labels' | 'describe'>,
  hooks: EvaluateHooks = {},
  counted?: Metrics,
): Promise<EvaluationResult> {
  checkArguments('measure', {
    batches: ['stream', batches],
    data: ['measured', data],
    hooks: ['fields', hooks],
  });
  const { length, labels, describe } = data;
  const metrics = counted ?? new Metrics(length);
  let failed = 0;
  let classified = 0;
  const start = performance.now();
  for await (const { indices, logits, heads = [], failures } of batches) {
    for (const { index, message } of failures) {
      failed++;
      await hooks.onFailure?.(index, message);
    }
    const classes = logits.length / Math.max(1, indices.length);
    for (const [row, index] of Array.from(indices).entries()) {
      const rowOf = (all: Float32Array) => all.subarray(row * classes, (row + 1) * classes);
      const values = rowOf(logits);
      const prediction = predictionOf(describe(index), labels[index]!, values);
      if (metrics.has(index)) {
        await hooks.onRepeated?.(index, prediction);
        continue;
      }
      // The record first: an image counts only once it is written.
      await hooks.onPrediction?.(index, prediction, values, heads.map(rowOf));
      metrics.add(index, prediction);
      classified++;
    }
    if (hooks.onBatch?.() === false) break;
  }
  const seconds = (performance.now() - start) / 1000;
  return { ...metrics.accuracy(), failed, imagesPerSecond: seconds > 0 ? classified / seconds : 0 };
}

async function logitsOf(
  model: Classifier,
  { pixels, indices }: ImageBatch,
  heads: boolean,
): Promise<Pick<PredictedBatch, 'logits' | 'heads'>> {
  const count = indices.length;
  if (count === 0) return { logits: new Float32Array() };
  const pairs = heads ? await model.headPixels?.(pixels, count) : undefined;
  if (pairs) return splitHeads(pairs, count);
  const both = heads && !model.hasRuntime ? model.predictHeads?.bind(model) : undefined;
  if (model.predictPixels && !both) {
    return { logits: await model.predictPixels(pixels, count) };
  }
  const [height, width] = model.config.imgSize;
  const compute = () => {
    const x = tf.tensor4d(pixels, [count, height, width, 3]);
    if (!both) return [model.predict(x)];
    const logits = both(x);
    return [meanOf(logits), ...logits];
  };
  const outputs = model.onBackend(() => tf.tidy(compute));
  try {
    const [logits, ...rest] = await Promise.all(outputs.map((output) => output.data<'float32'>()));
    return rest.length > 0 ? { logits: logits!, heads: rest } : { logits: logits! };
  } finally {
    tf.dispose(outputs);
  }
}

/** Rows of both heads' logits side by side as the mean and each head's. */
function splitHeads(pairs: Float32Array, images: number): Pick<PredictedBatch, 'logits' | 'heads'> {
  const classes = pairs.length / images / 2;
  const each = [0, 1].map((head) => {
    const logits = new Float32Array(images * classes);
    for (let i = 0; i < images; i++) {
      const start = (2 * i + head) * classes;
      logits.set(pairs.subarray(start, start + classes), i * classes);
    }
    return logits;
  });
  const [first, second] = each as [Float32Array, Float32Array];
  return { logits: first.map((value, i) => Math.fround(value + second[i]!) * 0.5), heads: each };
}

/** As the model's last layer gives it. */
function meanOf([first, second]: readonly tf.Tensor2D[]): tf.Tensor2D {
  return tf.mul(tf.add(first!, second!), 0.5);
}
