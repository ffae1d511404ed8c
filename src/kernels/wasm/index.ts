export { registerConvolutionGradient } from './convolutionGradient.js';
export { probeSimd, type SimdSupport } from './featureProbe.js';
export { fetchKernels } from './kernelModule.js';
export {
  countPackedWeights,
  registerWasmKernels,
  unregisterWasmKernels,
  type WasmKernelOptions,
  type WasmKernels,
} from './register.js';
