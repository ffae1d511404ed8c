import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';

let registered: tf.KernelFunc | undefined;

/**
 * Registers the sum of any number of tensors (tf.addN, e.g. a gradient's norm over all weights) in place of tfjs', which
 * binds each to the same shader: above `maxStorageBuffersPerShaderStage` the device refuses it, and the sum is zeros.
 */
export function registerAddN(): void {
  const own = tf.getKernel(tf.AddN, 'webgpu');
  if (!own || own.kernelFunc === registered) return;
  registered = (params) => sum(own.kernelFunc, params);
  tf.unregisterKernel(tf.AddN, 'webgpu');
  tf.registerKernel({ ...own, kernelFunc: registered });
}

function sum(add: tf.KernelFunc, params: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const backend = params.backend as WebGPUBackend;
  const tensors = params.inputs as unknown as tf.TensorInfo[];
  const most = backend.device.limits.maxStorageBuffersPerShaderStage - 1; // one is the result's
  const addUp = (inputs: tf.TensorInfo[]) =>
    add({ ...params, inputs: inputs as unknown as tf.NamedTensorInfoMap }) as tf.TensorInfo;
  let total = addUp(tensors.slice(0, most));
  for (let start = most; start < tensors.length; start += most - 1) {
    const next = addUp([total, ...tensors.slice(start, start + most - 1)]);
    backend.disposeData(total.dataId);
    total = next;
  }
  return total;
}
