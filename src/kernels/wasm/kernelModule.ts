/** The compiled AssemblyScript of assembly/, and its instances on the memory of a backend. */
import { decodeBase64 } from '../../base64.js';
import type { SimdSupport } from './featureProbe.js';
import type { Exports } from './generated/exports.js';
import relaxedSimd from './generated/relaxedSimd.js';
import simd from './generated/simd.js';

export type { Exports as KernelExports } from './generated/exports.js';

/** The binary for an instruction set, and for memory of one thread or shared by several. */
export async function compileKernels(
  support: Exclude<SimdSupport, 'none'>,
  shared: boolean,
): Promise<WebAssembly.Module> {
  const binary = shared ? (await SHARED[support]()).default : { relaxed: relaxedSimd, simd }[support];
  return WebAssembly.compile(decodeBase64(binary));
}

/** Modules of their own, so that a page fetches one of them, and that only where it may share memory. */
const SHARED = {
  relaxed: () => import('./generated/relaxedSimdShared.js'),
  simd: () => import('./generated/simdShared.js'),
};

/** As compileKernels, for memory of one thread, in synchronous code. */
export function compileKernelsNow(support: Exclude<SimdSupport, 'none'>): WebAssembly.Module {
  return new WebAssembly.Module(decodeBase64({ relaxed: relaxedSimd, simd }[support]));
}

export function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer === 'function' && memory.buffer instanceof SharedArrayBuffer;
}

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Exports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
}
