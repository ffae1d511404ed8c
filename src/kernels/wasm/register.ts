/** Puts the kernels at the service of the ops: registers them for the WASM backend, by the engine's abilities. */
import * as tf from '@tensorflow/tfjs-core';
import { probeSimd, type SimdSupport } from './featureProbe.js';
import { compileKernels, instantiateKernels, type KernelModules } from './kernelModule.js';
import { KERNELS, type Runtime } from './kernels.js';
import { packWeightsOf } from './packedWeights.js';
import { memoryOf, type WasmBackend } from './wasmBackend.js';

const BACKEND = 'wasm';

export interface WasmKernels {
  /** The instructions that the kernels use; `none`: no kernel is registered, the plain ops run. */
  simd: SimdSupport;
}

let registered: Promise<WasmKernels> | undefined;
let runtimes = new Map<WasmBackend, Runtime>();

/**
 * Registers the kernels of src/ops/kernelNames.ts for the backend `wasm`. To be called once the backend is ready
 * (`await tf.setBackend('wasm')`); calls after the first change nothing until `unregisterWasmKernels`.
 * @param options.simd use no more than these instructions; by default all that the engine has
 */
export function registerWasmKernels(options: { simd?: SimdSupport } = {}): Promise<WasmKernels> {
  registered ??= register(options.simd ?? 'relaxed').catch((error) => {
    registered = undefined;
    throw error;
  });
  return registered;
}

/** Takes the kernels back, with the memory of their packed weights: the plain ops run again. */
export async function unregisterWasmKernels(): Promise<void> {
  const kernels = await registered;
  registered = undefined;
  if (!kernels || kernels.simd === 'none') return;
  for (const name of Object.keys(KERNELS)) tf.unregisterKernel(name, BACKEND);
  for (const { weights } of runtimes.values()) weights.release();
  runtimes = new Map();
}

/** How many weights have a packed copy in the backend's memory. */
export function countPackedWeights(): number {
  let count = 0;
  for (const { weights } of runtimes.values()) count += weights.count();
  return count;
}

async function register(most: SimdSupport): Promise<WasmKernels> {
  const simd = lesser(most, probeSimd());
  if (simd === 'none') return { simd };
  const modules = await compileKernels(simd);
  const backend = tf.findBackend(BACKEND) as WasmBackend | null;
  if (backend && !runtimeOf(backend, modules)) return { simd: 'none' };
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const runtime = runtimeOf(backend as WasmBackend, modules);
        if (!runtime)
          throw new Error(`${kernelName}: the memory of the WASM backend cannot be shared with its kernels`);
        return kernel(runtime, inputs as Record<string, tf.TensorInfo>, attrs ?? {});
      },
    });
  }
  return { simd };
}

function lesser(a: SimdSupport, b: SimdSupport): SimdSupport {
  const order: SimdSupport[] = ['none', 'simd', 'relaxed'];
  return order[Math.min(order.indexOf(a), order.indexOf(b))]!;
}

/** The kernels on the memory of this backend, made when first needed; undefined if its memory cannot be used. */
function runtimeOf(backend: WasmBackend, modules: KernelModules): Runtime | undefined {
  const known = runtimes.get(backend);
  if (known) return known;
  const memory = memoryOf(backend);
  const kernels = memory && instantiateKernels(modules, memory);
  if (!kernels) return undefined;
  const runtime = { backend, kernels, weights: packWeightsOf(backend, kernels) };
  runtimes.set(backend, runtime);
  return runtime;
}
