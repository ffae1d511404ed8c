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

type Rank = 2 | 3 | 4;

/** The length of an axis by its index; null where a symbolic input leaves it open. */
type Axes<Shape extends unknown[], K extends number> = {
  [I in keyof Shape]: I extends `${K}` ? number : number | null;
};

interface Shapes {
  2: [batch: unknown, features: unknown];
  3: [batch: unknown, tokens: unknown, features: unknown];
  4: [batch: unknown, height: unknown, width: unknown, channels: unknown];
}

/**
 * The axes of the one input of a layer that takes tensors of `rank` axes.
 *
 * @param known axes that weights or the output's shape depend on
 * @throws UserError if the input has more or fewer axes, or one of `known` is open
 */
export function axesOf<R extends Rank, K extends number = never>(
  layer: Named,
  inputShape: tfl.Shape | tfl.Shape[],
  rank: R,
  ...known: K[]
): Axes<Shapes[R], K> {
  const shape = singleShape(inputShape);
  if (shape.length === rank && known.every((axis) => shape[axis] != null)) return shape as Axes<Shapes[R], K>;
  return refuse(layer, `${rank} axes${known.map((axis) => `, axis ${axis} known`).join('')}`, shape);
}

/**
 * The last axis of a layer's input: the width of its features.
 *
 * @throws UserError if it is open
 */
export function widthOf(layer: Named, inputShape: tfl.Shape | tfl.Shape[]): number {
  const shape = singleShape(inputShape);
  return shape.at(-1) ?? refuse(layer, 'a known last axis', shape);
}

/** Throws a UserError where the width of a layer's input does not divide into heads. */
export function checkHeads({ name }: Named, width: number, numHeads: number): void {
  if (width % numHeads === 0) return;
  throw new UserError(`layer ${name}: its input of width ${width} does not divide into ${numHeads} heads`);
}

/** Throws a UserError where a layer lacks a field that another one of its fields asks for. */
export function checkWith({ name }: Named, cause: string, fields: Readonly<Record<string, unknown>>): void {
  const missing = Object.keys(fields).find((field) => fields[field] === undefined);
  if (missing !== undefined)
    throw new UserError(`layer ${name}: ${missing} is missing, which ${cause} needs`);
}

type Named = Pick<tfl.layers.Layer, 'name'>;

function refuse({ name }: Named, has: string, shape: tfl.Shape): never {
  throw new UserError(`layer ${name}: its input has ${has}; got ${JSON.stringify(shape)}`);
}
