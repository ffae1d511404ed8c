/** The compiled AssemblyScript of assembly/, and its instances on the memory of a backend. */
import type { SimdSupport } from './featureProbe.js';
import relaxedSimd from './generated/relaxedSimd.js';
import simd from './generated/simd.js';

/**
 * The functions of assembly/index.ts; every address is in bytes, 0 for an operand that is not there. What concerns
 * threads (see threads.ts) is left out where there is one.
 */
export interface KernelExports {
  linear(
    x: number,
    m: number,
    k: number,
    n: number,
    w: number,
    packed: boolean,
    bias: number,
    scale: number,
    residual: number,
    residualRows: number,
    gelu: boolean,
    y: number,
    scratch: number,
  ): void;
  patchEmbed(
    x: number,
    batch: number,
    height: number,
    width: number,
    channels: number,
    patch: number,
    n: number,
    w: number,
    packed: boolean,
    bias: number,
    y: number,
    scratch: number,
  ): void;
  linearScratchBytes(m: number, k: number, unit: number, threads?: number): number;
  packedBytes(k: number, n: number): number;
  packWeights(w: number, k: number, n: number, packed: number): void;
  layerNorm(x: number, m: number, d: number, gamma: number, beta: number, epsilon: number, y: number): void;
  attention(
    qkv: number,
    batch: number,
    tokens: number,
    heads: number,
    headSize: number,
    y: number,
    scratch: number,
  ): void;
  attentionScratchBytes(tokens: number, headSize: number, threads?: number): number;
  attentionGradient(
    qkv: number,
    dy: number,
    batch: number,
    tokens: number,
    heads: number,
    headSize: number,
    dqkv: number,
    scratch: number,
  ): void;
  attentionGradientScratchBytes(tokens: number): number;
  quantizedPackedBytes(k: number, n: number): number;
  packQuantized(codes: number, scale: number, k: number, n: number, packed: number): void;
  /** For tests. */
  quantizedSums(
    x: number,
    m: number,
    k: number,
    n: number,
    precise: number,
    w: number,
    sums: number,
    parameters: number,
    scratch: number,
  ): void;
  quantizedSumsScratchBytes(m: number, k: number, precise: number, threads?: number): number;
  quantizedBlock(
    x: number,
    batch: number,
    tokens: number,
    width: number,
    heads: number,
    hidden: number,
    prefix: number,
    epsilon: number,
    weights: number,
    y: number,
    scratch: number,
  ): void;
  quantizedBlockScratchBytes(
    tokens: number,
    width: number,
    heads: number,
    hidden: number,
    prefix: number,
    threads?: number,
  ): number;
  geluGradient(x: number, dy: number, count: number, dx: number, scratch: number): void;
  geluGradientScratchBytes(): number;
}

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

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
