import * as tfl from '@tensorflow/tfjs-layers';
import type { WeightTensors } from '../../ops/index.js';
import type { Initial, WeightSpec } from '../vit/weights.js';

/** A layer's weights by name, each with its variable. */
export type LayerWeights = ReadonlyMap<string, tfl.LayerVariable>;

type AddWeight = (
  name: string,
  shape: tfl.Shape,
  dtype: 'float32',
  initializer: ReturnType<typeof tfl.initializers.zeros>,
  regularizer: undefined,
  trainable: boolean,
) => tfl.LayerVariable;

/** Adds the rows of a table of weights to a layer, by the layer's own addWeight. */
export function addRows(addWeight: AddWeight, rows: readonly WeightSpec[]): LayerWeights {
  return new Map(
    rows.map(({ name, shape, initial, trainable }) => [
      name,
      addWeight(name, [...shape], 'float32', initializer(initial), undefined, trainable),
    ]),
  );
}

/** The weights as the operations read them. */
export function tensorsOf(weights: LayerWeights): WeightTensors {
  return (name) => weights.get(name)?.read();
}

function initializer(initial: Initial) {
  switch (initial.kind) {
    case 'zeros':
      return tfl.initializers.zeros();
    case 'ones':
      return tfl.initializers.ones();
    case 'constant':
      return tfl.initializers.constant({ value: initial.value });
    case 'normal':
      // timm's trunc_normal_(std=.02) cuts at ±2, a hundred deviations out; tfjs' truncatedNormal cuts at two of them.
      return tfl.initializers.randomNormal({ stddev: 0.02 });
    case 'uniform': {
      const bound = 1 / Math.sqrt(initial.fanIn);
      return tfl.initializers.randomUniform({ minval: -bound, maxval: bound });
    }
  }
}
