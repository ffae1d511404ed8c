/** What the kernels use of the WASM backend of TensorFlow.js, and its memory. */
import type * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../errors.js';

export interface WasmBackend extends tf.KernelBackend {
  /** Null once the backend is disposed. */
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    /** Where the memory stands in the threaded build. */
    readonly wasmMemory?: WebAssembly.Memory;
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  /** Getting the data of a tensor of another backend moves it to this one. */
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number }; has(dataId: object): boolean };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
}

/** Of Emscripten's module, what tfjs' backend is built on. */
export interface TfjsModule {
  cwrap?(name: string, returns: string | null, takes: string[]): unknown;
  tfjs?: Record<string, unknown>;
}

/**
 * Names the functions that tfjs' backend calls, as tfjs-backend-wasm's own init does (backend_wasm.ts).
 *
 * @throws UserError if the module has not started
 */
export function bindTfjs(module: TfjsModule): void {
  const { cwrap } = module;
  if (!cwrap) throw new UserError('the WASM backend of TensorFlow.js does not start here');
  module.tfjs = {
    init: cwrap('init', null, []),
    initWithThreadsCount: cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: cwrap('get_threads_count', 'number', []),
    registerTensor: cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: cwrap('dispose_data', null, ['number']),
    dispose: cwrap('dispose', null, []),
  };
}

/** Vectors that lie within one line of the cache are read faster. */
const ALIGNMENT = 64;

export function memoryOf(backend: WasmBackend): WebAssembly.Memory | undefined {
  return backend.wasm.asm?.memory ?? backend.wasm.wasmMemory;
}

/** Calls `act` once, before the backend is disposed. */
export function onBackendDispose(backend: WasmBackend, act: () => void): void {
  const { dispose } = backend;
  backend.dispose = function (this: WasmBackend) {
    backend.dispose = dispose;
    act();
    dispose.call(this);
  };
}

/** The address of a tensor; 0 for none. */
export function addressOf(backend: WasmBackend, tensor: tf.TensorInfo | undefined): number {
  return tensor ? backend.dataIdMap.get(tensor.dataId).memoryOffset : 0;
}

/** Memory from the backend's allocator: `start` is aligned, `block` is what `_free` takes. Undefined if there is none. */
export function allocate(backend: WasmBackend, bytes: number): { start: number; block: number } | undefined {
  const block = backend.wasm._malloc(bytes + ALIGNMENT) >>> 0;
  if (block === 0) return undefined;
  return { start: Math.ceil(block / ALIGNMENT) * ALIGNMENT, block };
}

/** Calls `use` with the address of memory that lasts as long as the call. */
export function withScratch(backend: WasmBackend, bytes: number, use: (address: number) => void): void {
  const memory = allocate(backend, bytes);
  if (!memory) throw new Error(`WASM kernels: no room for ${bytes} bytes of scratch memory`);
  try {
    use(memory.start);
  } finally {
    backend.wasm._free(memory.block);
  }
}
