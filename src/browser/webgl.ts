/** The WebGL backend with its kernels, fetched when it is first tried. */
import '@tensorflow/tfjs-backend-webgl';
import { registerWebglKernels } from '../kernels/webgl/index.js';

registerWebglKernels();
