/** Reads weights back from the engine's memory, for callers that need them as tensors. */
import { UserError } from '../../errors.js';
import type { EngineMemory } from './memory.js';
import type { Tiles } from './record.js';
import type { Sink, WeightLayout } from './weightLayout.js';

/**
 * A weight as it was read: a matrix out of its panels, anything else out of `kept`, since what the memory holds of it may
 * be a sum.
 *
 * @param tiles columns of a panel, and codes in a lane
 * @param kept the weights that are no matrices
 * @returns float32 in tfjs' layout
 */
export function readBack(
  layout: WeightLayout,
  memory: EngineMemory,
  tiles: Pick<Tiles, 'columns' | 'unit'>,
  kept: ReadonlyMap<string, Float32Array>,
  name: string,
): Float32Array {
  const known = kept.get(name);
  if (known) return known.slice();
  const sink = layout.sinksOf(name).find(({ kind }) => kind !== 'rows');
  if (!sink || sink.kind === 'rows') throw new UserError(`the WASM engine holds no weight named ${name}`);
  return sink.kind === 'codes' ? readCodes(sink, memory, tiles) : readMatrix(sink, memory, tiles.columns);
}

type Packed = Pick<Extract<Sink, { kind: 'matrix' }>, 'address' | 'k' | 'n'>;

function readMatrix({ address, k, n }: Packed, memory: EngineMemory, columns: number): Float32Array {
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

/** Codes in panels [n / columns][steps][columns][unit] (assembly/quantized.ts). */
function readCodes(
  { address, k, n }: Packed,
  memory: EngineMemory,
  tiles: Pick<Tiles, 'columns' | 'unit'>,
): Float32Array {
  const { columns, unit } = tiles;
  const steps = (Math.ceil(k / 16) * 16) / unit;
  const count = Math.ceil(n / columns) * steps * columns * unit;
  const codes =
    tiles.unit === 4
      ? new Int8Array(memory.memory.buffer, address, count)
      : new Int16Array(memory.memory.buffer, address, count);
  const values = new Float32Array(k * n);
  for (let row = 0; row < k; row++) {
    for (let column = 0; column < n; column++) {
      const lane =
        (Math.floor(column / columns) * steps + Math.floor(row / unit)) * columns + (column % columns);
      values[row * n + column] = codes[lane * unit + (row % unit)]!;
    }
  }
  return values;
}

/** Whether a weight is held as a matrix alone. */
export function isMatrix(layout: WeightLayout, name: string): boolean {
  const sinks = layout.sinksOf(name);
  return sinks.length > 0 && sinks.every(({ kind }) => kind !== 'rows');
}
