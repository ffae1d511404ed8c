import { UserError } from '../errors.js';
import type { WeightReader } from '../families/types.js';

/**
 * Reads weights, and refuses one that holds NaN or infinity: it would come out as logits of NaN.
 *
 * @param name of the folder or model, for the message
 */
export function finiteWeights(read: WeightReader, name: string): WeightReader {
  return async (weight) => {
    const values = await read(weight);
    const bad = firstNonFinite(values);
    if (bad < 0) return values;
    throw new UserError(
      `${name}: weight ${weight} holds ${values[bad]} at place ${bad}; its training has diverged, or the file is damaged`,
    );
  };
}

/** Place of the first value that is NaN or infinite, or -1. */
function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (values[i]! - values[i]! !== 0) return i;
  return -1;
}
