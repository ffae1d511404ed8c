/** Tensors of tfjs' WebGPU backend as buffers of its device. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type * as tf from '@tensorflow/tfjs-core';

/** What of tfjs' backend says whether it has commands that were not sent. */
interface TfjsCommands {
  readonly commandEncoder: GPUCommandEncoder | null;
  endComputePassEncoder(): void;
}

/** The buffer of a tensor, with everything sent off that tfjs has to do for its values. */
export function bufferOf(backend: WebGPUBackend, tensor: tf.Tensor): GPUBuffer {
  backend.uploadToGPU(tensor.dataId);
  const commands = backend as unknown as TfjsCommands;
  if (commands.commandEncoder) {
    commands.endComputePassEncoder();
    backend.submitQueue();
  }
  return backend.tensorMap.get(tensor.dataId).resource as GPUBuffer;
}
