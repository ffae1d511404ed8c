/** Weights in the order in which the kernels read them: a copy beside each tensor, freed with the tensor. */
import type { KernelExports } from './kernelModule.js';
import { allocate, type WasmBackend } from './wasmBackend.js';

/** A weight as a kernel takes it: the packed copy, or the tensor itself where there was no room for one. */
export interface PackedWeight {
  address: number;
  packed: boolean;
}

export interface PackedWeights {
  /** The [k, n] weight of a tensor, packed when first asked for. */
  get(dataId: object, k: number, n: number): PackedWeight;
  /**
   * The address of a quantized [k, n] weight, of the tensors with its codes and its scale, packed when first asked for;
   * freed with the codes.
   */
  getQuantized(codesId: object, scaleId: object, k: number, n: number): number;
  /** How many copies there are. */
  count(): number;
  /** Frees every copy and stops watching for disposed tensors. */
  release(): void;
}

interface Copy {
  start: number;
  block: number;
  k: number;
  /** Of a quantized weight, the data of its scale. */
  scaleId?: object;
}

export function packWeightsOf(backend: WasmBackend, kernels: KernelExports): PackedWeights {
  const copies = new Map<object, Copy>();

  const free = (dataId: object) => {
    const copy = copies.get(dataId);
    if (!copy) return;
    // A backend that was disposed has no wasm any more.
    backend.wasm?._free(copy.block);
    copies.delete(dataId);
  };

  const forget = onDispose(backend, free);

  return {
    get(dataId, k, n) {
      const source = backend.dataIdMap.get(dataId).memoryOffset;
      const known = copies.get(dataId);
      if (known?.k === k && !known.scaleId) return { address: known.start, packed: true };
      // The same data under another shape: a rare thing, and the old order is of no use to it.
      free(dataId);
      const memory = allocate(backend, kernels.packedBytes(k, n) >>> 0);
      if (!memory) return { address: source, packed: false };
      kernels.packWeights(source, k, n, memory.start);
      copies.set(dataId, { ...memory, k });
      return { address: memory.start, packed: true };
    },
    getQuantized(codesId, scaleId, k, n) {
      const known = copies.get(codesId);
      if (known?.k === k && known.scaleId === scaleId) return known.start;
      free(codesId);
      const bytes = kernels.quantizedPackedBytes(k, n) >>> 0;
      const memory = allocate(backend, bytes);
      if (!memory) throw new Error(`WASM kernels: no room for ${bytes} bytes of quantized weights`);
      const address = (dataId: object) => backend.dataIdMap.get(dataId).memoryOffset;
      kernels.packQuantized(address(codesId), address(scaleId), k, n, memory.start);
      copies.set(codesId, { ...memory, k, scaleId });
      return memory.start;
    },
    count: () => copies.size,
    release() {
      for (const dataId of [...copies.keys()]) free(dataId);
      forget();
    },
  };
}

/** Calls `free` when the backend has freed a tensor's data. Returns a function that ends this. */
function onDispose(backend: WasmBackend, free: (dataId: object) => void): () => void {
  const { disposeData } = backend;
  let listens = true;
  backend.disposeData = function (this: WasmBackend, dataId: object, force?: boolean) {
    const released = disposeData.call(this, dataId, force);
    if (listens && !backend.dataIdMap.has(dataId)) free(dataId);
    return released;
  };
  return () => {
    listens = false;
  };
}
