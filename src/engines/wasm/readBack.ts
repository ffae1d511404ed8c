/** Weights out of the engine's memory again, for whoever needs them as tensors. */
import { UserError } from '../../errors.js';
import type { EngineMemory } from './memory.js';
import type { WeightLayout } from './weightLayout.js';

/**
 * A weight as it was read: a matrix out of its panels, anything else out of `kept`, since what the memory holds of it may
 * be a sum.
 *
 * @param columns of a panel
 * @param kept the weights that are no matrices
 * @returns float32 in tfjs' layout
 */
export function readBack(
  layout: WeightLayout,
  memory: EngineMemory,
  columns: number,
  kept: ReadonlyMap<string, Float32Array>,
  name: string,
): Float32Array {
  const known = kept.get(name);
  if (known) return known.slice();
  const sink = layout.sinksOf(name).find(({ kind }) => kind === 'matrix');
  if (sink?.kind !== 'matrix') throw new UserError(`the WASM engine holds no weight named ${name}`);
  const { address, k, n } = sink;
  const values = new Float32Array(k * n);
  for (let first = 0, panel = address; first < n; first += columns, panel += 4 * k * columns) {
    const count = Math.min(columns, n - first);
    const rows = memory.floats(panel, k * columns);
    for (let row = 0; row < k; row++) {
      values.set(rows.subarray(row * columns, row * columns + count), row * n + first);
    }
  }
  return values;
}

/** Whether a weight is held as a matrix alone. */
export function isMatrix(layout: WeightLayout, name: string): boolean {
  const sinks = layout.sinksOf(name);
  return sinks.length > 0 && sinks.every(({ kind }) => kind === 'matrix');
}
