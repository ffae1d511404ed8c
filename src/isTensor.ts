import type { Tensor } from '@tensorflow/tfjs-core';

/** Whether a value is a tensor of any copy of tfjs, by the methods that tfjs itself goes by; needs none of its code. */
export function isTensor(value: unknown): value is Tensor {
  const { data, dataSync, throwIfDisposed } = (value ?? {}) as Partial<Tensor>;
  return data != null && dataSync != null && throwIfDisposed != null;
}
