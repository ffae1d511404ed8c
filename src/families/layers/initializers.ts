import * as tfl from '@tensorflow/tfjs-layers';

export const zeros = () => tfl.initializers.zeros();
