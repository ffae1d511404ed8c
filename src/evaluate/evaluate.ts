import * as tf from '@tensorflow/tfjs-core';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { addToTally, crossEntropy, emptyTally, type PicturePrediction, predictionOf } from './metrics.js';

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

export interface EvaluationResult {
  /** Number of pictures that were classified. */
  images: number;
  /** Percent of them whose most probable class is the truth, null if there are none. */
  top1: number | null;
  /** Percent of them with the truth among the five most probable classes. */
  top5: number | null;
  /** Mean cross-entropy in nats. */
  loss: number | null;
  /** Number of pictures that could not be read. */
  failed: number;
  /** Pictures classified in a second, reading included. */
  imagesPerSecond: number;
}

export interface EvaluateHooks {
  /** Called for each picture in order, before the next batch is taken. */
  onPrediction?: (prediction: PicturePrediction, loss: number, logits: Float32Array) => void | Promise<void>;
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

/** Measures accuracy (top-1, top-5, mean cross-entropy) from what a model said of each picture. */
export async function evaluate(
  pictures: readonly LabelledPicture[],
  batches: AsyncIterable<ScoredBatch>,
  hooks: EvaluateHooks = {},
): Promise<EvaluationResult> {
  const tally = emptyTally();
  let failed = 0;
  const start = performance.now();
  for await (const batch of batches) {
    for (const { index, message } of batch.failures) {
      failed++;
      await hooks.onFailure?.(pictures[index].file, message);
    }
    if (batch.indices.length === 0) continue;
    const { logits } = batch;
    const classes = logits.length / batch.indices.length;
    for (const [row, index] of batch.indices.entries()) {
      const { file, label } = pictures[index];
      const values = logits.subarray(row * classes, (row + 1) * classes);
      const prediction = predictionOf(file, label, values);
      const loss = crossEntropy(values, label);
      addToTally(tally, prediction, loss);
      await hooks.onPrediction?.(prediction, loss, values);
    }
  }
  const seconds = (performance.now() - start) / 1000;
  const share = (count: number) => (tally.images > 0 ? (100 * count) / tally.images : null);
  return {
    images: tally.images,
    top1: share(tally.correct1),
    top5: share(tally.correct5),
    loss: tally.images > 0 ? tally.lossSum / tally.images : null,
    failed,
    imagesPerSecond: seconds > 0 ? tally.images / seconds : 0,
  };
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
