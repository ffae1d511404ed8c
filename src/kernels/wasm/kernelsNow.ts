/** The kernels in synchronous code, for Node: a page would have both builds at once, and may not compile so much. */
import { decodeBase64 } from '../../base64.js';
import type { SimdSupport } from './featureProbe.js';
import relaxedSimd from './generated/relaxedSimd.js';
import simd from './generated/simd.js';
import { registerKernelsOnce } from './register.js';

/** As compileKernels, for memory of one thread. */
function compileKernelsNow(support: Exclude<SimdSupport, 'none'>): WebAssembly.Module {
  return new WebAssembly.Module(decodeBase64({ relaxed: relaxedSimd, simd }[support]));
}

/**
 * As registerWasmKernels, in synchronous code, for a backend whose memory is not shared. Changes nothing where they have
 * been registered before, are about to be, or were taken back.
 */
export function registerWasmKernelsOnce(): void {
  registerKernelsOnce(compileKernelsNow);
}
