export { attention, attentionWeights } from './attention.js';
export { convolve3x3, groupedConvolve3x3, halved, spatialMean } from './convolution.js';
export { dropPath } from './dropPath.js';
export { gelu } from './gelu.js';
export { hadamardSize } from './hadamardSize.js';
export type {
  Activation,
  AttentionOptions,
  LinearOpOptions,
  Ops,
  PrefixToken,
  ResidualOptions,
  TokensSpec,
} from './interface.js';
export { layerNorm } from './layerNorm.js';
export { type LinearOptions, linear } from './linear.js';
export { patchEmbed } from './patchEmbed.js';
export { hasQuantizedBlock, quantizedBlock } from './quantizedBlock.js';
export { type QuantizedMatrix, quantizedLinear } from './quantizedLinear.js';
export { TfjsOps, type TrainingOptions, type WeightTensors } from './tfjsOps.js';
