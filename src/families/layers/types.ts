import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';

/** What every tfjs layer's constructor takes: name, trainable, inputShape … */
export type LayerArgs = ConstructorParameters<typeof tfl.layers.Layer>[0];

/** What a layer's call is given beside its inputs. */
export interface CallOptions {
  /** Whether drop path acts. */
  training?: boolean;
  /** Gives the seed of each drop path mask; without it the masks are not repeatable. */
  dropPathSeed?: () => number;
  [key: string]: unknown;
}

/** tfjs hands a layer one tensor or a list of them; these layers take one. */
export function single<T extends tf.Tensor>(inputs: tf.Tensor | tf.Tensor[]): T {
  return (Array.isArray(inputs) ? inputs[0] : inputs) as T;
}

/** The one input shape of a layer. */
export function singleShape(shape: tfl.Shape | tfl.Shape[]): tfl.Shape {
  return (Array.isArray(shape[0]) ? shape[0] : shape) as tfl.Shape;
}
