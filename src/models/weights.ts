import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { currentBackend, onBackend } from '../boundBackend.js';
import { UserError } from '../errors.js';
import type { WeightReader } from '../families/types.js';

/** The weights of a model by name as weightSpecs has it (tfjs puts `layer/` before it), in the model's order. */
export function namedWeights(model: tfl.LayersModel): Map<string, tfl.LayerVariable> {
  const byName = new Map<string, tfl.LayerVariable>();
  for (const layer of model.layers) {
    for (const weight of layer.weights) byName.set(weight.originalName.replace(/^.*\//, ''), weight);
  }
  return byName;
}

/** Replaces one weight's values; the old ones are freed. */
export function setWeight(weight: tfl.LayerVariable, values: Float32Array): void {
  const size = weight.shape.reduce<number>((a, b) => a * b!, 1);
  if (values.length !== size) {
    throw new UserError(`${weight.originalName}: expected ${size} values, got ${values.length}`);
  }
  tf.tidy(() => {
    weight.write(tf.tensor(values, weight.shape as number[], 'float32'));
  });
}

/**
 * Fills every weight of a model from a reader, one at a time, so that no second copy of the model is held. They are
 * written to the backend that is current at the call, whatever is current once a value has been read.
 *
 * @param order names of weights that are read first, in this order: that in which they lie in the files
 */
export async function assignWeights(
  model: tfl.LayersModel,
  read: WeightReader,
  onProgress?: (fraction: number) => void,
  order: readonly string[] = [],
): Promise<void> {
  const backend = currentBackend();
  const byName = namedWeights(model);
  const names = new Set([...order.filter((name) => byName.has(name)), ...byName.keys()]);
  const weights = [...names].map((name) => [name, byName.get(name)!] as const);
  for (const [i, [name, weight]] of weights.entries()) {
    const values = await read(name);
    onBackend(backend, () => setWeight(weight, values));
    onProgress?.((i + 1) / weights.length);
  }
}
