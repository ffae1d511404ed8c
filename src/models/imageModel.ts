import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import type { Assumption } from '../../converters/facts.js';
import type { Preprocessing } from '../image/types.js';

/** What every family's model has: enough to evaluate it and to teach by it. */
export interface ImageModel {
  readonly config: {
    readonly name: string;
    /** Input size that it is evaluated with, [height, width]. */
    readonly imgSize: readonly [number, number];
    readonly numClasses: number;
  };
  /** Whether it takes images of any size. */
  readonly anySize?: boolean;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  readonly assumptions: readonly Assumption[];
  /** Name of the backend that predicts. */
  readonly backend: string;
  /** @param x float32 [B, H, W, 3], normalised; logits float32 [B, classes] */
  predict(x: tf.Tensor4D): tf.Tensor2D;
  /** The same for pixels, without blocking the event loop where the model can. */
  predictPixels?(images: Float32Array, batch: number): Promise<Float32Array>;
  /** Both heads' logits of a model with two, [batch, 2 · classes], where an engine gives them. */
  headPixels?(images: Float32Array, batch: number): Promise<Float32Array | undefined>;
  /** Both heads' logits of a model with two. */
  predictHeads?(x: tf.Tensor4D): [tf.Tensor2D, tf.Tensor2D];
  /** Whether a runtime predicts, which gives the mean of two heads alone and is much faster than the layers. */
  readonly hasRuntime?: boolean;
  /** The model as tfjs layers, which an engine may be given to compute. */
  readonly layersModel?: tfl.LayersModel;
  /** Runs synchronous tfjs code on the model's backend. */
  onBackend<T>(run: () => T): T;
  dispose(): void;
}
