/** Registers the kernels that this engine supports for the WASM backend. */
import * as tf from '@tensorflow/tfjs-core';
import { withTimeLimit } from '../../timeLimit.js';
import { probeSimd, type SimdSupport } from './featureProbe.js';
import type { KernelRuntime } from './kernelInputs.js';
import { compileKernels, instantiateKernels, isShared } from './kernelModule.js';
import { KERNELS } from './kernels.js';
import { packWeightsOf } from './packedWeights.js';
import { CONTROL_BYTES, defaultThreads, startTeam } from './threads.js';
import { allocate, memoryOf, onBackendDispose, type WasmBackend } from './wasmBackend.js';

const BACKEND = 'wasm';

export interface WasmKernels {
  /** The instructions that the kernels use; `none`: no kernel is registered, the plain ops run. */
  simd: SimdSupport;
  /** Threads that share each kernel's work: more than one only where the backend's memory is shared. */
  threads: number;
  /** Why no kernel is registered. */
  reason?: string;
}

export interface WasmKernelOptions {
  /** Use no more than these instructions; by default all that the engine has. */
  simd?: SimdSupport;
  /** Where the backend's memory is shared (in cross-origin isolated pages), how many threads; see defaultThreads. */
  threads?: number;
}

let registered: Promise<WasmKernels> | undefined;
/** Whether the kernels have been registered before, also if they were taken back since. */
let wereRegistered = false;
let runtimes = new Map<WasmBackend, OpenKernelRuntime>();

/**
 * Registers the kernels of src/ops/kernelNames.ts for the backend `wasm`. To be called once the backend is ready
 * (`await tf.setBackend('wasm')`); calls after the first change nothing until `unregisterWasmKernels`. A backend that
 * takes the place of another (tf.removeBackend, tf.registerBackend) gets kernels of its own when first used.
 */
export function registerWasmKernels(options: WasmKernelOptions = {}): Promise<WasmKernels> {
  wereRegistered = true;
  registered ??= register(options).catch((error) => {
    registered = undefined;
    throw error;
  });
  return registered;
}

/** What registerWasmKernelsOnce does (see kernelsNow.ts), with what compiles. */
export function registerKernelsOnce(
  compile: (support: Exclude<SimdSupport, 'none'>) => WebAssembly.Module,
): void {
  if (wereRegistered) return;
  wereRegistered = true;
  const simd = probeSimd();
  registered = Promise.resolve({ simd, threads: 1, ...(simd === 'none' ? { reason: NO_SIMD } : {}) });
  if (simd === 'none') return;
  const plain = compile(simd);
  install((backend) => runtimeOf(backend, plain, undefined, 1));
}

/** Takes the kernels back, with the memory of their packed weights: the plain ops run again. */
export async function unregisterWasmKernels(): Promise<void> {
  const kernels = await registered;
  registered = undefined;
  if (!kernels || kernels.simd === 'none') return;
  for (const name of Object.keys(KERNELS)) tf.unregisterKernel(name, BACKEND);
  for (const runtime of runtimes.values()) runtime.close();
  runtimes = new Map();
}

/** How many weights have a packed copy in the backend's memory. */
export function countPackedWeights(): number {
  let count = 0;
  for (const { weights } of runtimes.values()) count += weights.count();
  return count;
}

async function register(options: WasmKernelOptions): Promise<WasmKernels> {
  const simd = lesser(options.simd ?? 'relaxed', probeSimd());
  if (simd === 'none') return { simd, threads: 1, reason: NO_SIMD };
  const plain = await compileKernels(simd, false);
  const backend = tf.findBackend(BACKEND) as WasmBackend | null;
  const memory = backend && memoryOf(backend);
  if (backend && !memory)
    return { simd: 'none', threads: 1, reason: 'the memory of the backend is not to be found' };
  const shared = memory && isShared(memory) ? await compileKernels(simd, true) : undefined;
  const open = (backend: WasmBackend) =>
    runtimeOf(backend, plain, shared, options.threads ?? defaultThreads());
  install(open);
  const threads = backend ? await withTimeLimit(open(backend).ready, WORKERS_START_MS, () => 1) : 1;
  return { simd, threads };
}

function install(open: (backend: WasmBackend) => OpenKernelRuntime): void {
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs, backend }) =>
        kernel(open(backend as WasmBackend), inputs as Record<string, tf.TensorInfo>, attrs ?? {}),
    });
  }
}

const NO_SIMD = 'no WebAssembly SIMD';

/** How long to wait for workers; those that start later help all the same. */
const WORKERS_START_MS = 5_000;

function lesser(a: SimdSupport, b: SimdSupport): SimdSupport {
  const order: SimdSupport[] = ['none', 'simd', 'relaxed'];
  return order[Math.min(order.indexOf(a), order.indexOf(b))]!;
}

/** The kernels on the memory of a backend, and what has to be ended with them. */
interface OpenKernelRuntime extends KernelRuntime {
  /** Number of threads once all workers have started or failed to. */
  ready: Promise<number>;
  close(): void;
}

/** The kernels on the memory of this backend, made when first needed. */
function runtimeOf(
  backend: WasmBackend,
  plain: WebAssembly.Module,
  shared: WebAssembly.Module | undefined,
  threads: number,
): OpenKernelRuntime {
  const known = runtimes.get(backend);
  if (known) return known;
  const memory = memoryOf(backend);
  if (!memory) throw new Error('WASM kernels: the memory of the WASM backend is not to be found');
  const runtime = isShared(memory)
    ? openShared(backend, memory, shared, threads)
    : openPlain(backend, instantiateKernels(plain, memory));
  runtimes.set(backend, runtime);
  onBackendDispose(backend, () => {
    runtimes.get(backend)?.close();
    runtimes.delete(backend);
  });
  return runtime;
}

function openPlain(backend: WasmBackend, kernels: KernelRuntime['kernels']): OpenKernelRuntime {
  const weights = packWeightsOf(backend, kernels);
  return { backend, kernels, weights, ready: Promise.resolve(1), close: () => weights.release() };
}

function openShared(
  backend: WasmBackend,
  memory: WebAssembly.Memory,
  module: WebAssembly.Module | undefined,
  threads: number,
): OpenKernelRuntime {
  if (!module)
    throw new Error('WASM kernels: registered for memory of one thread, the backend has shared memory');
  const control = allocate(backend, CONTROL_BYTES);
  if (!control) throw new Error('WASM kernels: no room for the threads’ control block');
  const team = startTeam(instantiateKernels(module, memory), module, memory, control.start, threads);
  const runtime = openPlain(backend, team.kernels);
  return {
    ...runtime,
    ready: team.ready,
    close() {
      runtime.close();
      team.close();
      backend.wasm._free(control.block);
    },
  };
}
