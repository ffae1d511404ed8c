import * as tf from '@tensorflow/tfjs-core';
import type { ImageModel } from '../models/imageModel.js';
import { type PicturePrediction, predictionOf } from './metrics.js';
import { type Accuracy, Scores } from './scores.js';

/** A batch of pictures ready for a model; those that could not be read are named beside it. */
export interface PreparedBatch {
  /** float32 [files.length, H, W, 3], normalised. */
  readonly data: Float32Array;
  /** Index (into the list of all pictures) of each picture in `data`. */
  readonly indices: readonly number[];
  readonly failures: readonly { readonly index: number; readonly message: string }[];
}

/** A batch that a model has seen. */
export interface ScoredBatch {
  /** float32 [indices.length, classes]. */
  readonly logits: Float32Array;
  /** The logits of the class head and of the distillation head, where they were asked for and there are two. */
  readonly heads?: readonly Float32Array[];
  /** Index (into the list of all pictures) of each row of `logits`. */
  readonly indices: readonly number[];
  readonly failures: PreparedBatch['failures'];
}

/** A picture with its class. */
export interface LabelledPicture {
  /** Path below the val folder, with forward slashes. */
  readonly file: string;
  /** Class index of the truth. */
  readonly label: number;
}

export interface EvaluationResult extends Accuracy {
  /** Number of pictures that could not be read. */
  failed: number;
  /** Pictures classified in a second by this run, reading included. */
  imagesPerSecond: number;
}

export interface EvaluateHooks {
  /** Called for each picture that was not scored before, before the next batch is taken. */
  onPrediction?: (
    prediction: PicturePrediction,
    logits: Float32Array,
    heads: readonly Float32Array[],
  ) => void | Promise<void>;
  onFailure?: (file: string, message: string) => void | Promise<void>;
}

/** What evaluation needs of a model. */
export type PictureModel = Pick<
  ImageModel,
  'predict' | 'predictPixels' | 'headPixels' | 'predictHeads' | 'hasRuntime' | 'onBackend'
> & { readonly config: Pick<ImageModel['config'], 'imgSize'> };

/**
 * Runs a model over prepared batches, one after another; `heads` asks for both heads' logits of a distilled model, which
 * are given where the model runs layer by layer.
 */
export async function* scoreBatches(
  model: PictureModel,
  batches: AsyncIterable<PreparedBatch>,
  { heads = false } = {},
): AsyncGenerator<ScoredBatch, void, undefined> {
  for await (const batch of batches) {
    const { indices, failures } = batch;
    yield { ...(await logitsOf(model, batch, heads)), indices, failures };
  }
}

/**
 * Measures accuracy (top-1, top-5, mean cross-entropy) from what a model said of each picture.
 *
 * @param scores what is known already, e.g. from a run that was cut off; new pictures are added to it
 */
export async function evaluate(
  pictures: readonly LabelledPicture[],
  batches: AsyncIterable<ScoredBatch>,
  hooks: EvaluateHooks = {},
  scores: Scores = new Scores(pictures.length),
): Promise<EvaluationResult> {
  let failed = 0;
  let scored = 0;
  const start = performance.now();
  for await (const { indices, logits, heads = [], failures } of batches) {
    for (const { index, message } of failures) {
      failed++;
      await hooks.onFailure?.(pictures[index].file, message);
    }
    const classes = logits.length / Math.max(1, indices.length);
    for (const [row, index] of indices.entries()) {
      if (scores.has(index)) continue;
      const { file, label } = pictures[index];
      const rowOf = (all: Float32Array) => all.subarray(row * classes, (row + 1) * classes);
      const values = rowOf(logits);
      const prediction = predictionOf(file, label, values);
      // The record first: a picture counts only once it is written.
      await hooks.onPrediction?.(prediction, values, heads.map(rowOf));
      scores.add(index, prediction);
      scored++;
    }
  }
  const seconds = (performance.now() - start) / 1000;
  return { ...scores.accuracy(), failed, imagesPerSecond: seconds > 0 ? scored / seconds : 0 };
}

async function logitsOf(
  model: PictureModel,
  batch: PreparedBatch,
  heads: boolean,
): Promise<Pick<ScoredBatch, 'logits' | 'heads'>> {
  if (batch.indices.length === 0) return { logits: new Float32Array() };
  const pairs = heads ? await model.headPixels?.(batch.data, batch.indices.length) : undefined;
  if (pairs) return splitHeads(pairs, batch.indices.length);
  const both = heads && !model.hasRuntime ? model.predictHeads?.bind(model) : undefined;
  if (model.predictPixels && !both) {
    return { logits: await model.predictPixels(batch.data, batch.indices.length) };
  }
  const [height, width] = model.config.imgSize;
  const compute = () => {
    const x = tf.tensor4d(batch.data, [batch.indices.length, height, width, 3]);
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
function splitHeads(pairs: Float32Array, images: number): Pick<ScoredBatch, 'logits' | 'heads'> {
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
