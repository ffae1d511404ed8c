import type { TrainingEngine } from '../../engines/wasm/training/index.js';
import type { TrainConfig } from '../../train/config.js';
import type { Student } from '../../train/student.js';
import { openVitEngine } from '../../train/vitEngine.js';
import { computingCores } from '../cores.js';
import { compileOptimized, startNodeWorker } from '../wasmEngine.js';

/**
 * The training engine on WASM in Node: forward, backward and AdamW on threads, with 256-bit SIMD where V8 has it. It is
 * given to a Trainer as `engine`, and disposed of by its caller.
 *
 * @param threads how many compute; by default as many as there are physical cores
 * @throws UserError (Untrainable) for a student that it cannot train
 */
export async function openTrainingEngine(
  student: Student,
  { distillation, emaDecay }: Pick<TrainConfig, 'distillation' | 'emaDecay'>,
  threads: number = computingCores(),
): Promise<TrainingEngine> {
  const run = { distillation: distillation.type, ema: emaDecay !== null };
  return openVitEngine(student, run, {
    threads: Math.min(threads, 64),
    startWorker: startNodeWorker,
    compile: compileOptimized,
  });
}
