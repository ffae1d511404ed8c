import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import type { TrainConfig } from '../train/config.js';
import type { StepEngine } from '../train/stepEngine.js';
import type { Student } from '../train/student.js';

/**
 * A training engine in a browser, for a student on WebGPU: forward, backward and AdamW on buffers of its GPU. It is given to
 * a Trainer as `engine`, and disposed of by its caller. Without one tfjs' gradients train, operation by operation, as they do
 * on the other backends.
 *
 * @throws UserError for a student on another backend, or one that the engine cannot train
 */
export async function openTrainingEngine(
  student: Student,
  config: Pick<TrainConfig, 'distillation' | 'emaDecay'>,
): Promise<StepEngine> {
  checkArguments('openTrainingEngine', { student: ['student', student], config: ['fields', config] });
  const { distillation, emaDecay } = config;
  checkArguments('openTrainingEngine', { distillation: ['distillation', distillation] });
  const backend = student.onBackend(() => tf.getBackend());
  if (backend !== 'webgpu') {
    throw new UserError(
      `in a browser the training engine computes on webgpu, and the student is on ${backend}: leave the engine out, and tfjs trains it`,
    );
  }
  const { openWebgpuTraining } = await import('./webgpu.js');
  return openWebgpuTraining(student, { distillation: distillation.type, ema: emaDecay !== null });
}
