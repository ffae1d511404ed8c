import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { UserError } from '../../errors.js';

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

/** The length of an axis; null where a symbolic input leaves it open. */
type Axis = number | null;

interface AxesOfRank {
  2: [batch: Axis, features: Axis];
  3: [batch: Axis, tokens: Axis, features: Axis];
  4: [batch: Axis, height: Axis, width: Axis, channels: Axis];
}

/**
 * The axes of the one input of a layer that takes tensors of `rank` axes.
 *
 * @throws UserError if the input has more or fewer
 */
export function axesOf<R extends keyof AxesOfRank>(
  { name }: Pick<tfl.layers.Layer, 'name'>,
  inputShape: tfl.Shape | tfl.Shape[],
  rank: R,
): AxesOfRank[R] {
  const shape = singleShape(inputShape);
  if (shape.length !== rank) {
    throw new UserError(`layer ${name}: takes a tensor of ${rank} axes, got one of shape [${text(shape)}]`);
  }
  return shape as AxesOfRank[R];
}

/**
 * Axes of a layer's input that its weights or its output's shape depend on.
 *
 * @throws UserError if one is open or missing
 */
export function known<N extends readonly (Axis | undefined)[]>(
  { name }: Pick<tfl.layers.Layer, 'name'>,
  what: string,
  ...axes: N
): { [K in keyof N]: number } {
  if (axes.some((axis) => typeof axis !== 'number')) {
    throw new UserError(`layer ${name}: needs an input whose ${what} is known, got [${text(axes)}]`);
  }
  return axes as { [K in keyof N]: number };
}

/**
 * The last axis of a layer's input: the width of its features.
 *
 * @throws UserError if it is open
 */
export function widthOf(layer: Pick<tfl.layers.Layer, 'name'>, inputShape: tfl.Shape | tfl.Shape[]): number {
  return known(layer, 'width', singleShape(inputShape).at(-1))[0];
}

function text(shape: readonly (Axis | undefined)[]): string {
  return shape.map((axis) => axis ?? 'null').join(', ');
}
