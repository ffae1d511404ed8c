import type { Random } from '../random.js';
import type { VitConfig, WeightSpec } from './config.js';

/**
 * Values that a weight starts training from, as facebookresearch/deit has them: normal with standard deviation
 * 0.02 for tokens, position embeddings and matrices (timm's trunc_normal_ cuts at ±2, a hundred deviations out),
 * PyTorch's own uniform ±1/√fan-in for the patch projection, 1 for the norms' gamma, 0 for biases.
 *
 * @returns float32 values in row-major order
 */
export function initialWeight(spec: WeightSpec, config: VitConfig, random: Random): Float32Array {
  const values = new Float32Array(spec.shape.reduce((a, b) => a * b, 1));
  if (spec.name.startsWith('patch_embed.')) {
    const bound = 1 / Math.sqrt(config.inChans * config.patchSize ** 2);
    for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.uniform() - 1);
  } else if (/\.ls[12]\.gamma$/.test(spec.name)) {
    values.fill(config.layerScale as number);
  } else if (spec.name.endsWith('.gamma')) {
    values.fill(1);
  } else if (spec.shape.length > 1) {
    for (let i = 0; i < values.length; i++) values[i] = 0.02 * random.normal();
  }
  return values;
}
