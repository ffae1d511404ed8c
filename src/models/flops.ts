import { gridSize, mlpDim, numPrefixTokens, type VitConfig, weightSpecs } from './config.js';

/** Multiply-adds for one picture, by the two conventions in use. */
export interface Flops {
  /**
   * As fvcore counts the backbone: patch projection, linear layers, the two attention products, and 5 an element for
   * each layer norm; without the heads.
   */
  readonly fvcore: number;
  /**
   * As mmpretrain's table has them: patch projection, linear layers and heads, and 1 an element for each GELU;
   * without the attention products. (That table repeats the plain models' figures for the distilled ones.)
   */
  readonly mmpretrain: number;
}

/** Multiply-adds of a model, from its shape alone. */
export function countFlops(config: VitConfig): Flops {
  const { embedDim: d, depth, patchSize, inChans, numClasses } = config;
  const [rows, columns] = gridSize(config);
  const patches = rows * columns;
  const tokens = patches + numPrefixTokens(config);
  const hidden = mlpDim(config);
  const patchProjection = patches * d * inChans * patchSize ** 2;
  const linear = depth * tokens * (4 * d * d + 2 * d * hidden);
  const attention = depth * 2 * tokens ** 2 * d;
  const layerNorms = 5 * (2 * depth + 1) * tokens * d;
  const heads = d * numClasses * numPrefixTokens(config);
  return {
    fvcore: patchProjection + linear + attention + layerNorms,
    mmpretrain: patchProjection + linear + heads + depth * tokens * hidden,
  };
}

/** Number of parameters of a model; the scales of a quantized one are none. */
export function countParameters(config: VitConfig): number {
  return weightSpecs({ ...config, quantization: undefined }).reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
}
