/** The WebGPU backend with its kernels and its engine, fetched when it is first tried. */
import '@tensorflow/tfjs-backend-webgpu';
import { registerWebgpuKernels } from '../kernels/webgpu/index.js';

registerWebgpuKernels();

export { webgpuRuntime } from '../webgpuRuntime.js';
