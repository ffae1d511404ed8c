/** The training engine on WebGPU, in browsers and in Node: on the device of tfjs' backend, which has the student. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { runningBackend } from './boundBackend.js';
import { DeviceLost, isLost, whileThere } from './deviceLost.js';
import { USAGE } from './engines/webgpu/plan.js';
import {
  createWebgpuTrainingEngine,
  type WebgpuTrainingEngine,
  type WebgpuTrainingOptions,
} from './engines/webgpu/training/index.js';
import { UserError } from './errors.js';
import { adapterName } from './gpuStart.js';
import type { StepEngine, WeightExchange } from './train/stepEngine.js';
import type { Student } from './train/student.js';
import { type EngineRun, vitTraining } from './train/vitEngine.js';
import { bufferOf } from './webgpuTensors.js';

const NAME = 'webgpu';

/**
 * A training engine for a student on the backend `webgpu`.
 *
 * @throws Untrainable where it cannot train it
 */
export async function openWebgpuTraining(
  student: Student,
  run: EngineRun,
  options: Pick<WebgpuTrainingOptions, 'keptBytes'> = {},
): Promise<StepEngine> {
  const backend = runningBackend(NAME)!.instance as WebGPUBackend;
  // What tfjs keeps of it serves where a device does not say it itself.
  const info = (backend.device as { adapterInfo?: GPUAdapterInfo }).adapterInfo ?? backend.adapterInfo;
  const engine = await createWebgpuTrainingEngine({
    ...vitTraining(student, run),
    device: backend.device,
    name: adapterName(info as GPUAdapterInfo),
    guard: guarded,
    ...options,
  });
  return { ...engine, exchange: exchangeWith(engine, backend) };
}

/** A lost device is said as what it means to a run. */
async function guarded<T>(promise: Promise<T>): Promise<T> {
  try {
    return await whileThere(promise, NAME);
  } catch (error) {
    if (!isLost(NAME)) throw error;
    const what = error instanceof DeviceLost ? error.what : (error as Error).message;
    throw new UserError(
      `${what}: go on from the last checkpoint (deit train --resume); if its memory was full, with a smaller batchSize`,
      { cause: error },
    );
  }
}

/** Copies on the device: what is there is not read. */
function exchangeWith(engine: WebgpuTrainingEngine, backend: WebGPUBackend): WeightExchange {
  const { device } = backend;
  const submit = (fill: (encoder: GPUCommandEncoder) => void) => {
    const encoder = device.createCommandEncoder();
    fill(encoder);
    device.queue.submit([encoder.finish()]);
  };
  return {
    take(student) {
      const tensors = [...student.weights].map(([name, weight]) => {
        const { buffer: target, offset, bytes } = engine.placeOf('weights', name);
        return { source: bufferOf(backend, weight.read()), target, offset, bytes };
      });
      submit((encoder) => {
        for (const { source, target, offset, bytes } of tensors) {
          encoder.copyBufferToBuffer(source, 0, target, offset, bytes);
        }
      });
    },
    give(student) {
      // What a lost device had is gone, and the run already ends with that.
      if (isLost(NAME)) return;
      student.onBackend(() => {
        for (const name of student.trainable) {
          const weight = student.weights.get(name)!;
          const { buffer, offset, bytes } = engine.placeOf('weights', name);
          const copy = device.createBuffer({
            size: bytes,
            usage: USAGE.storage | USAGE.copySrc | USAGE.copyDst,
          });
          submit((encoder) => encoder.copyBufferToBuffer(buffer, offset, copy, 0, bytes));
          tf.tidy(() => {
            weight.write(tf.tensor({ buffer: copy }, weight.shape as number[], 'float32'));
          });
          copy.destroy(); // tfjs has made one of its own
        }
      });
    },
  };
}
