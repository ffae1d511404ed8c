import * as tf from '@tensorflow/tfjs-core';
import type { VisionTransformer } from '../models/visionTransformer.js';
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
  onPrediction?: (prediction: PicturePrediction, logits: Float32Array) => void | Promise<void>;
  onFailure?: (file: string, message: string) => void | Promise<void>;
}

/** Runs a model over prepared batches, one after another. */
export async function* scoreBatches(
  model: VisionTransformer,
  batches: AsyncIterable<PreparedBatch>,
): AsyncGenerator<ScoredBatch, void, undefined> {
  for await (const batch of batches) {
    const { indices, failures } = batch;
    yield { logits: await logitsOf(model, batch), indices, failures };
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
  for await (const { indices, logits, failures } of batches) {
    for (const { index, message } of failures) {
      failed++;
      await hooks.onFailure?.(pictures[index].file, message);
    }
    const classes = logits.length / Math.max(1, indices.length);
    for (const [row, index] of indices.entries()) {
      if (scores.has(index)) continue;
      const { file, label } = pictures[index];
      const values = logits.subarray(row * classes, (row + 1) * classes);
      const prediction = predictionOf(file, label, values);
      // The record first: a picture counts only once it is written.
      await hooks.onPrediction?.(prediction, values);
      scores.add(index, prediction);
      scored++;
    }
  }
  const seconds = (performance.now() - start) / 1000;
  return { ...scores.accuracy(), failed, imagesPerSecond: seconds > 0 ? scored / seconds : 0 };
}

async function logitsOf(model: VisionTransformer, batch: PreparedBatch): Promise<Float32Array> {
  if (batch.indices.length === 0) return new Float32Array();
  const [height, width] = model.config.imgSize;
  const logits = tf.tidy(() =>
    model.predict(tf.tensor4d(batch.data, [batch.indices.length, height, width, 3])),
  );
  try {
    return (await logits.data<'float32'>()) as Float32Array;
  } finally {
    logits.dispose();
  }
}
