/** Writes weights into the engine's memory. */
import { UserError } from '../../errors.js';
import type { WeightReader } from '../../families/types.js';
import { sizeOf } from '../../shape.js';
import type { EngineMemory } from './memory.js';
import type { EngineExports } from './module.js';
import type { Sink, WeightLayout } from './weightLayout.js';

/** Puts the values of a weight where the layout has them; matrices pass through the memory past the layout's end. */
export function fillWeights(
  layout: WeightLayout,
  memory: EngineMemory,
  kernels: EngineExports,
  name: string,
  values: Float32Array,
): void {
  const size = sizeOf(layout.shape(name));
  if (values.length !== size) throw new UserError(`${name}: expected ${size} values, got ${values.length}`);
  for (const sink of layout.sinksOf(name)) fill(name, sink, layout.end, memory, kernels, values);
}

function fill(
  name: string,
  sink: Sink,
  free: number,
  memory: EngineMemory,
  kernels: EngineExports,
  values: Float32Array,
): void {
  if (sink.kind === 'matrix') {
    memory.reserve(free + values.byteLength);
    memory.floats(free, values.length).set(values);
    kernels.packColumns(free, sink.k, sink.n, sink.address);
    return;
  }
  if (sink.kind === 'codes') {
    memory.reserve(free + values.byteLength);
    memory.floats(free, values.length).set(values);
    if (!kernels.codesFit(free, sink.k, sink.n))
      throw new UserError(`${name}: not the codes of a quantization of ours: products of four leave 16 bits`);
    kernels.packCodes(free, sink.k, sink.n, sink.address, sink.sums);
    return;
  }
  const { address, from, count, width, stride } = sink;
  for (let row = 0; row < count; row++) {
    const to = memory.floats(address + row * stride, width);
    const start = (from + row) * width;
    for (let i = 0; i < width; i++) to[i]! += values[start + i]!;
  }
}

/** Reads every weight that the layout has, one at a time. */
export async function loadWeights(
  layout: WeightLayout,
  memory: EngineMemory,
  kernels: EngineExports,
  read: WeightReader,
  onProgress?: (fraction: number) => void,
): Promise<void> {
  const names = layout.names();
  for (const [i, name] of names.entries()) {
    fillWeights(layout, memory, kernels, name, await read(name));
    onProgress?.((i + 1) / names.length);
  }
}
