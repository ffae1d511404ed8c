/** What every kernel does with its inputs before it touches memory. */
import * as tf from '@tensorflow/tfjs-core';
import type { KernelExports } from './kernelModule.js';
import type { PackedWeights } from './packedWeights.js';
import { addressOf, type WasmBackend } from './wasmBackend.js';

/** The kernels on the memory of one backend. */
export interface KernelRuntime {
  backend: WasmBackend;
  kernels: KernelExports;
  weights: PackedWeights;
}

export type Inputs = Readonly<Record<string, tf.TensorInfo | undefined>>;

export function makeOutput({ backend }: KernelRuntime, shape: number[]): tf.TensorInfo {
  const bytes = tf.util.sizeFromShape(shape) * 4;
  const y = backend.makeOutput(shape, 'float32');
  if (bytes > 0 && addressOf(backend, y) === 0) {
    backend.disposeData(y.dataId);
    throw new Error(`WASM kernels: no room for ${bytes} bytes of output`);
  }
  return y;
}

export function valueCount(tensor: tf.TensorInfo): number {
  return tf.util.sizeFromShape(tensor.shape);
}

/** @typeParam R inputs that a kernel always has @typeParam O those that it may have */
export function checkFloats<R extends string, O extends string = never>(
  name: string,
  inputs: Inputs,
): Readonly<Record<R, tf.TensorInfo> & Partial<Record<O, tf.TensorInfo>>> {
  for (const [key, input] of Object.entries(inputs)) {
    check(name, !input || input.dtype === 'float32', `float32 for ${key}`, inputs);
  }
  return inputs as Readonly<Record<R, tf.TensorInfo> & Partial<Record<O, tf.TensorInfo>>>;
}

export function check(name: string, holds: boolean, expected: string, inputs: Inputs): void {
  if (holds) return;
  const shapes = Object.entries(inputs).flatMap(([key, input]) =>
    input ? [`${key} ${input.dtype} [${input.shape}]`] : [],
  );
  throw new Error(`${name}: expected ${expected}, found ${shapes.join(', ')}`);
}
