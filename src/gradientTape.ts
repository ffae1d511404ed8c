import * as tf from '@tensorflow/tfjs-core';

/**
 * Whether tfjs records operations for a gradient now (tf.grad, tf.variableGrads, an optimizer's minimize). What is computed
 * without its operations then is a constant to it.
 */
export function isTapeOn(): boolean {
  return (tf.engine() as unknown as { isTapeOn(): boolean }).isTapeOn();
}
