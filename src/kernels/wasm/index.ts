export { registerConvolutionGradient } from './convolutionGradient.js';
export { probeSimd, type SimdSupport } from './featureProbe.js';
export {
  countPackedWeights,
  registerWasmKernels,
  registerWasmKernelsOnce,
  unregisterWasmKernels,
  type WasmKernelOptions,
  type WasmKernels,
} from './register.js';
