/** The WebGPU backend with its kernels and its engine, fetched when it is first tried. */
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { UserError } from '../errors.js';
import { registerWebgpuKernels } from '../kernels/webgpu/index.js';
import { registerFactory, requestDevice } from '../webgpuDevice.js';

registerWebgpuKernels();

export { webgpuRuntime } from '../webgpuRuntime.js';
export { openWebgpuTraining } from '../webgpuTraining.js';

/** In place of tfjs' own backend of this name, whose device has no float16. */
export function registerBackend(name: string): void {
  registerFactory(name, createBackend);
}

async function createBackend(): Promise<WebGPUBackend> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new UserError('WebGPU finds no GPU');
  return new WebGPUBackend(await requestDevice(adapter), adapter.info);
}
