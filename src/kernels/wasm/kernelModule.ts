/** The compiled AssemblyScript of assembly/, and its instances on the memory of a backend. */
import type { SimdSupport } from './featureProbe.js';
import relaxedSimd from './generated/relaxedSimd.js';
import relaxedSimdShared from './generated/relaxedSimdShared.js';
import simd from './generated/simd.js';
import simdShared from './generated/simdShared.js';

/** The functions of assembly/index.ts; every address is in bytes, 0 for an operand that is not there. */
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
  linearScratchBytes(m: number, k: number, unit: number): number;
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
  attentionScratchBytes(tokens: number, headSize: number): number;
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
  geluGradient(x: number, dy: number, count: number, dx: number, scratch: number): void;
  geluGradientScratchBytes(): number;
}

/** The binaries for one instruction set: for memory of one thread, and, where pages can share it, for shared memory. */
export interface KernelModules {
  plain: WebAssembly.Module;
  shared?: WebAssembly.Module;
}

export async function compileKernels(support: Exclude<SimdSupport, 'none'>): Promise<KernelModules> {
  const [plain, shared] = support === 'relaxed' ? [relaxedSimd, relaxedSimdShared] : [simd, simdShared];
  const modules: KernelModules = { plain: await WebAssembly.compile(decodeBase64(plain)) };
  if (globalThis.crossOriginIsolated) modules.shared = await WebAssembly.compile(decodeBase64(shared));
  return modules;
}

/** The kernels on `memory`; undefined if it is shared and no module for that was compiled. */
export function instantiateKernels(
  modules: KernelModules,
  memory: WebAssembly.Memory,
): KernelExports | undefined {
  const isShared = typeof SharedArrayBuffer === 'function' && memory.buffer instanceof SharedArrayBuffer;
  const module = isShared ? modules.shared : modules.plain;
  if (!module) return undefined;
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as KernelExports;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
