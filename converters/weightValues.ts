import { concatFloats } from '../src/concat.js';
import type { CheckpointTensor } from './formats/types.js';
import type { Located, Parts } from './matchNames.js';
import { torchShape, toTfjsLayout, transpose } from './tensorLayout.js';

/** Stacks of all blocks' weights are read once and kept, for each block takes its part. */
const stacks = new WeakMap<CheckpointTensor, Promise<Float32Array>>();

/**
 * A weight's values in tfjs' layout, from the tensors that it lies in.
 *
 * @param shape tfjs' shape of the weight: [in, out] of a matrix, [p, q, C, D] of the patch projection
 * @returns float32 in row-major order
 */
export async function weightValues(
  parts: Parts,
  name: string,
  layout: 'flax' | undefined,
  shape: readonly number[],
): Promise<Float32Array> {
  const values = await Promise.all(parts.map(partValues));
  if (!name.endsWith('.kernel')) return concatFloats(values);
  if (layout !== 'flax') return toTfjsLayout(concatFloats(values), torchShape(shape));
  const [only, ...more] = values as [Float32Array, ...Float32Array[]];
  if (shape.length === 4 || more.length === 0) return only;
  const rows = shape[0]!;
  // Matrices [in, out] side by side: one below the other as [out, in], and back.
  const below = concatFloats(values.map((part) => transpose(part, rows, part.length / rows)));
  return transpose(below, below.length / rows, rows);
}

async function partValues({ tensor, thirds, stacked }: Located): Promise<Float32Array> {
  if (stacked !== undefined) {
    const all = stacks.get(tensor) ?? tensor.read();
    stacks.set(tensor, all);
    const length = (await all).length / tensor.shape[0]!;
    return (await all).slice(stacked * length, (stacked + 1) * length);
  }
  const values = await tensor.read();
  if (!thirds) return values;
  return values.slice((values.length / 3) * thirds[0], (values.length / 3) * thirds[1]);
}
