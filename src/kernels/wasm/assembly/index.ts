/** The exports of the kernel module. Addresses are bytes in the memory of the backend, which is imported. */
export { attention, attentionScratchBytes } from './attention';
export { attentionGradient, attentionGradientScratchBytes } from './attentionGradient';
export { geluGradient, geluGradientScratchBytes } from './geluGradient';
export { layerNorm } from './layerNorm';
export { linear, linearScratchBytes, packedBytes, packWeights, patchEmbed } from './linear';
export { packQuantized, quantizedPackedBytes, quantizedSums, quantizedSumsScratchBytes } from './quantizedLinear';
export { quantizedBlock, quantizedBlockScratchBytes } from './quantizedBlock';
