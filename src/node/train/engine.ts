import * as tf from '@tensorflow/tfjs-core';
import type { TrainConfig } from '../../train/config.js';
import type { StepEngine } from '../../train/stepEngine.js';
import type { Student } from '../../train/student.js';
import { openVitEngine } from '../../train/vitEngine.js';
import { computingCores } from '../cores.js';
import { compileOptimized, startNodeWorker } from '../wasmEngine.js';

/**
 * A training engine in Node: forward, backward and AdamW. Of a student on WebGPU it is one on its GPU, else one on WASM, on
 * threads, with 256-bit SIMD where V8 has it. It is given to a Trainer as `engine`, and disposed of by its caller.
 *
 * @param threads how many compute on WASM; by default as many as there are physical cores
 * @throws UserError (Untrainable) for a student that it cannot train
 */
export async function openTrainingEngine(
  student: Student,
  { distillation, emaDecay }: Pick<TrainConfig, 'distillation' | 'emaDecay'>,
  threads: number = computingCores(),
): Promise<StepEngine> {
  const run = { distillation: distillation.type, ema: emaDecay !== null };
  if (student.onBackend(() => tf.getBackend()) === 'webgpu') {
    const { openWebgpuTraining } = await import('../../webgpuTraining.js');
    return openWebgpuTraining(student, run);
  }
  return openVitEngine(student, run, {
    threads: Math.min(threads, 64),
    startWorker: startNodeWorker,
    compile: compileOptimized,
  });
}
