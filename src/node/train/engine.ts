import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../../checkArguments.js';
import { MOST_THREADS, Untrainable } from '../../engines/wasm/training/index.js';
import type { TrainConfig } from '../../train/config.js';
import { openLayersAnswers, openLayersEngine } from '../../train/layersEngine.js';
import type { StepEngine } from '../../train/stepEngine.js';
import type { Student } from '../../train/student.js';
import type { Teacher } from '../../train/teacher.js';
import { type EngineMachine, openVitEngine } from '../../train/vitEngine.js';
import { computingCores } from '../cores.js';
import { compileOptimized, startNodeWorker } from '../wasmEngine.js';

/**
 * A training engine in Node: forward, backward and AdamW. Of a student on WebGPU it is one on its GPU, of a vision
 * transformer on native TensorFlow one of TensorFlow's graphs, else one on WASM, on threads, with 256-bit SIMD where V8 has it. It is given to a Trainer as `engine`, and disposed of by its caller.
 *
 * @param student a vision transformer, or any tf.LayersModel of layers that the engine has (docs/training.md)
 * @param threads how many compute on WASM; by default as many as there are physical cores
 * @throws UserError (Untrainable) for a student that it cannot train
 */
export async function openTrainingEngine(
  student: Student,
  config: Pick<TrainConfig, 'distillation' | 'emaDecay'>,
  threads: number = computingCores(),
): Promise<StepEngine> {
  checkArguments('openTrainingEngine', {
    student: ['student', student],
    config: ['fields', config],
    threads: ['size', threads],
  });
  const { distillation, emaDecay } = config;
  checkArguments('openTrainingEngine', { distillation: ['distillation', distillation] });
  const run = { distillation: distillation.type, ema: emaDecay !== null };
  const { layersModel } = student;
  const backend = student.onBackend(() => tf.getBackend());
  if (backend === 'tensorflow' && !layersModel) {
    const { openNativeTraining } = await import('../native/training/index.js');
    return openNativeTraining(student, run);
  }
  if (backend === 'webgpu') {
    const { openWebgpuTraining } = await import('../../webgpuTraining.js');
    return openWebgpuTraining(student, run);
  }
  if (layersModel) return openLayersEngine({ ...student, layersModel }, run, machineOf(threads));
  return openVitEngine(student, run, machineOf(threads));
}

/**
 * A teacher that answers on the engine where it is a tf.LayersModel of layers that the engine has: on every thread, while
 * tfjs would compute on one. Any other is given back as it is.
 *
 * @param imgSize [height, width] of the images that it is shown
 */
export async function teacherOnEngine(
  teacher: Teacher,
  imgSize: readonly [number, number],
  threads: number = computingCores(),
): Promise<Teacher> {
  const { layersModel } = teacher;
  if (!layersModel || teacher.predictPixels) return teacher;
  try {
    const engine = await openLayersAnswers(layersModel, imgSize, machineOf(threads));
    return {
      ...teacher,
      predictPixels: (images, batch) => engine.predict(images, batch),
      dispose: () => {
        engine.dispose();
        teacher.dispose();
      },
    };
  } catch (error) {
    if (error instanceof Untrainable) return teacher;
    throw error;
  }
}

function machineOf(threads: number): EngineMachine {
  return {
    threads: Math.min(threads, MOST_THREADS),
    startWorker: startNodeWorker,
    compile: compileOptimized,
  };
}
