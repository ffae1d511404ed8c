import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { UserError } from '../../errors.js';
import { registerWebgpuKernels } from '../../kernels/webgpu/index.js';
import { requestDevice } from '../../webgpuDevice.js';
import type { FoundAdapter } from './adapter.js';

export { hasMatrices, registerFactory } from '../../webgpuDevice.js';

/** A WebGPU backend of TensorFlow.js with our kernels, on a device of the adapter. */
export async function createBackend({ gpu, adapter }: FoundAdapter): Promise<WebGPUBackend> {
  const device = await requestDevice(adapter);
  registerWebgpuKernels();
  return readByDataAlone(withNavigatorGpu(gpu, () => new WebGPUBackend(device, adapter.info)));
}

/** tfjs makes its backend only where navigator.gpu is, which other libraries would take for a browser's. */
function withNavigatorGpu<T>(gpu: GPU, make: () => T): T {
  const { navigator } = globalThis as { navigator?: object };
  const target = navigator ?? {};
  const before = Object.getOwnPropertyDescriptor(target, 'gpu');
  Object.defineProperty(target, 'gpu', { value: gpu, configurable: true });
  if (!navigator) Object.defineProperty(globalThis, 'navigator', { value: target, configurable: true });
  try {
    return make();
  } finally {
    delete (target as { gpu?: GPU }).gpu;
    if (before) Object.defineProperty(target, 'gpu', before);
    if (!navigator) delete (globalThis as { navigator?: object }).navigator;
  }
}

/** tfjs reads a tensor synchronously through a canvas, which Node has not: that is said in a line. */
function readByDataAlone(backend: WebGPUBackend): WebGPUBackend {
  const readSync = backend.readSync.bind(backend);
  (backend as unknown as { hasReadSyncWarned: boolean }).hasReadSyncWarned = true;
  backend.readSync = (dataId) => {
    try {
      return readSync(dataId);
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      throw new UserError(
        'the values of a tensor on the webgpu backend come by await tensor.data() in Node: it has no dataSync(), nor can a model on another backend take the tensor',
        { cause: error },
      );
    }
  };
  return backend;
}
