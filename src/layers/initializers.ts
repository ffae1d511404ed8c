import * as tfl from '@tensorflow/tfjs-layers';

/**
 * Normal with standard deviation 0.02, what timm's trunc_normal_(std=.02) amounts to: it cuts at ±2, a hundred
 * standard deviations out, where tfjs' truncatedNormal cuts at two of them.
 */
export const normal02 = () => tfl.initializers.randomNormal({ stddev: 0.02 });
export const zeros = () => tfl.initializers.zeros();
export const ones = () => tfl.initializers.ones();
