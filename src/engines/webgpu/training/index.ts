/** The training engine on WebGPU: forward, backward and AdamW on buffers that stay on the device. */
export {
  createWebgpuTrainingEngine,
  type GpuPlace,
  type WebgpuTrainingEngine,
  type WebgpuTrainingOptions,
} from './engine.js';
