/** The compiled AssemblyScript of assembly/, and its instances on the memory of a backend. */
import { decodeBase64 } from '../../base64.js';
import { compileWasm } from '../../compileWasm.js';
import type { SimdSupport } from './featureProbe.js';
import type { Exports } from './generated/exports.js';

export type { Exports as KernelExports } from './generated/exports.js';

type Support = Exclude<SimdSupport, 'none'>;

/** The binary for an instruction set, and for memory of one thread or shared by several. */
export async function compileKernels(support: Support, shared: boolean): Promise<WebAssembly.Module> {
  return compileWasm(decodeBase64(await fetchKernels(support, shared)));
}

/** The same, undecoded; a page may fetch it before it is needed. */
export async function fetchKernels(support: Support, shared: boolean): Promise<string> {
  return (await (shared ? SHARED : ALONE)[support]()).default;
}

/** Modules of their own, so that a page fetches one of them, and the shared ones only where it may share memory. */
const ALONE = {
  relaxed: () => import('./generated/relaxedSimd.js'),
  simd: () => import('./generated/simd.js'),
};
const SHARED = {
  relaxed: () => import('./generated/relaxedSimdShared.js'),
  simd: () => import('./generated/simdShared.js'),
};

export function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer === 'function' && memory.buffer instanceof SharedArrayBuffer;
}

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Exports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
}
