/** The WebGPU backend, fetched when it is first tried. */
import '@tensorflow/tfjs-backend-webgpu';
