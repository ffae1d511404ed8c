/** The compiled AssemblyScript of training/assembly. */
import { compileEngine, type EngineExports, type EngineModule, type ModuleOptions } from '../module.js';
import { sameTraining } from './bitCheck.js';
import relaxedSimd from './generated/relaxedSimd.js';
import simd from './generated/simd.js';
import wideSimd from './generated/wideSimd.js';
import type { Sizes } from './plan.js';
import type { Shape } from './record.js';

/** The functions of training/assembly/index.ts. */
export interface TrainingExports extends Pick<EngineExports, 'execute' | 'tileRows' | 'tileColumns'> {
  chunkRows(): number;
  productOwnBytes(k: number, tiles: number, panels: number): number;
  productScratchBytes(k: number): number;
  attendScratchBytes(t: number, d: number): number;
  attendGradientScratchBytes(t: number, d: number): number;
  normScratchBytes(): number;
}

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

/** The best build for this machine. */
export function compileTraining(options: ModuleOptions): EngineModule {
  return compileEngine(options, { simd, relaxedSimd, wideSimd, sameBits: sameTraining });
}
