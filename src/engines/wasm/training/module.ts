/** The compiled AssemblyScript of training/assembly. */
import { decodeBase64 } from '../../../base64.js';
import { compileWasm } from '../../../compileWasm.js';
import { probeSimd } from '../../../kernels/wasm/featureProbe.js';
import { compileWide, type EngineModule, type ModuleOptions } from '../module.js';
import { sameTraining } from './bitCheck.js';
import type { Exports as TrainingExports } from './generated/exports.js';
import type { Sizes } from './plan.js';
import { type Shape, Untrainable } from './record.js';

export type MachineOptions = Pick<ModuleOptions, 'simd' | 'compile'>;

export type { Exports as TrainingExports } from './generated/exports.js';

export function instantiateTraining(module: WebAssembly.Module, memory: WebAssembly.Memory): TrainingExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as TrainingExports;
}

/** What recordings and plans need to know of a build. */
export function sizesOf(kernels: TrainingExports): Sizes & Shape {
  const { productOwnBytes, productScratchBytes, attendScratchBytes, attendGradientScratchBytes } = kernels;
  return {
    rows: kernels.tileRows(),
    columns: kernels.tileColumns(),
    chunk: kernels.chunkRows(),
    productOwnBytes,
    productScratchBytes,
    attendScratchBytes,
    attendGradientScratchBytes,
    normScratchBytes: kernels.normScratchBytes,
  };
}

/** Each a module of its own, so that none but the one that runs is read. */
const BUILDS = {
  simd: () => import('./generated/simd.js'),
  relaxedSimd: () => import('./generated/relaxedSimd.js'),
  wideSimd: () => import('./generated/wideSimd.js'),
};

async function readBuild(name: keyof typeof BUILDS): Promise<Uint8Array<ArrayBuffer>> {
  const { default: text } = await BUILDS[name]();
  return decodeBase64(text);
}

/** The best build for this machine, as compileEngine chooses it for Node. */
export async function compileTraining({ simd, compile }: MachineOptions): Promise<EngineModule> {
  const support = simd ?? probeSimd();
  if (support === 'none') throw new Untrainable('a machine without SIMD');
  if (support === 'relaxed' && compile) {
    const wide = compileWide(compile, await readBuild('wideSimd'), true, sameTraining);
    if (wide) return { module: wide, bits: 256, simd: support };
  }
  const module = await compileWasm(await readBuild(support === 'relaxed' ? 'relaxedSimd' : 'simd'));
  return { module, bits: 128, simd: support };
}
