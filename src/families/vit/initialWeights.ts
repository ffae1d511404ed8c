import type { Random } from '../../random.js';
import { sizeOf } from '../../shape.js';
import type { WeightSpec } from './weights.js';

/**
 * Values that a weight starts training from, as facebookresearch/deit has them: normal with standard deviation
 * 0.02 for tokens, position embeddings and matrices (timm's trunc_normal_ cuts at ±2, a hundred deviations out),
 * PyTorch's own uniform ±1/√fan-in for the patch projection, 1 for the norms' gamma, 0 for biases.
 *
 * @returns float32 values in row-major order
 */
export function initialWeight({ shape, initial }: WeightSpec, random: Random): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  switch (initial.kind) {
    case 'zeros':
      break;
    case 'ones':
      values.fill(1);
      break;
    case 'constant':
      values.fill(initial.value);
      break;
    case 'normal':
      random.fillNormal(values, 0.02);
      break;
    case 'uniform': {
      const bound = 1 / Math.sqrt(initial.fanIn);
      for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.uniform() - 1);
      break;
    }
  }
  return values;
}
