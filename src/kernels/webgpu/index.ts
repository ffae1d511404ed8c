/** The kernels of src/ops/kernelNames.ts for the WebGPU backend. */

import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { ATTENTION, LAYER_NORM, LINEAR, PATCH_EMBED } from '../../ops/kernelNames.js';
import { registerAddN } from './addN.js';
import { attentionProgram } from './attentionProgram.js';
import { layerNormProgram } from './layerNormProgram.js';
import { linearProgram, type RowSource } from './linearProgram.js';
import type { Width } from './program.js';

type Inputs = Record<string, tf.TensorInfo | undefined>;
type Kernel = (backend: WebGPUBackend, inputs: Inputs, attrs: tf.NamedAttrMap) => tf.TensorInfo;

const KERNELS: Record<string, Kernel> = {
  [LINEAR]: linear,
  [LAYER_NORM]: layerNorm,
  [ATTENTION]: attention,
  [PATCH_EMBED]: patchEmbed,
};

/** Registers the kernels; further calls change nothing. */
export function registerWebgpuKernels(): void {
  registerAddN();
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    if (tf.getKernel(kernelName, 'webgpu')) continue;
    tf.registerKernel({
      kernelName,
      backendName: 'webgpu',
      kernelFunc: ({ inputs, attrs, backend }) => kernel(backend as WebGPUBackend, inputs, attrs ?? {}),
    });
  }
}

function linear(backend: WebGPUBackend, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { x, kernel } = inputs as { x: tf.TensorInfo; kernel: tf.TensorInfo };
  const [k = 0, n = 0] = kernel.shape;
  const width = widthFor(k, n);
  const y = product(
    backend,
    inputs,
    { k, n, width, source: 'matrix', gelu: attrs.activation === 'gelu' },
    [],
  );
  return { ...y, shape: [...x.shape.slice(0, -1), n] };
}

function patchEmbed(backend: WebGPUBackend, inputs: Inputs): tf.TensorInfo {
  const { x, kernel } = inputs as { x: tf.TensorInfo; kernel: tf.TensorInfo };
  const [batch = 0, height = 0, wide = 0, channels = 0] = x.shape;
  const [patch = 1, , , n = 0] = kernel.shape;
  const [down, across] = [height / patch, wide / patch];
  const k = patch * patch * channels;
  const width = widthFor(n, patch * channels, wide * channels);
  const uniforms = [wide * channels, patch * channels, patch, down, across];
  const flat = { ...inputs, kernel: { ...kernel, shape: [k, n] } };
  const y = product(backend, flat, { k, n, width, source: 'patches', gelu: false }, uniforms);
  return { ...y, shape: [batch, down * across, n] };
}

interface ProductShape {
  k: number;
  n: number;
  width: Width;
  source: RowSource;
  gelu: boolean;
}

function product(
  backend: WebGPUBackend,
  inputs: Inputs,
  shape: ProductShape,
  uniforms: readonly number[],
): tf.TensorInfo {
  const { x, kernel, residual } = inputs as {
    x: tf.TensorInfo;
    kernel: tf.TensorInfo;
    residual?: tf.TensorInfo;
  };
  const { k, n } = shape;
  const m = tf.util.sizeFromShape(x.shape) / k;
  const operands = (['bias', 'scale', 'residual'] as const).filter((name) => inputs[name]);
  const residualRows = residual ? tf.util.sizeFromShape(residual.shape) / n : 1;
  const program = linearProgram({ m, ...shape, operands });
  const given = [flatten(x), kernel, ...operands.map((name) => flatten(inputs[name]!))];
  return backend.runWebGPUProgram(program, given, 'float32', [
    ...[m, k, n, residualRows, ...uniforms].map((value) => ({ type: 'int32', data: [value] })),
  ]);
}

function layerNorm(backend: WebGPUBackend, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { x, gamma, beta } = inputs as Record<string, tf.TensorInfo>;
  const d = x!.shape.at(-1) ?? 0;
  const m = tf.util.sizeFromShape(x!.shape) / d;
  const program = layerNormProgram(m, d, widthFor(d));
  const y = backend.runWebGPUProgram(program, [flatten(x!), gamma!, beta!], 'float32', [
    { type: 'int32', data: [m] },
    { type: 'int32', data: [d] },
    { type: 'float32', data: [attrs.epsilon as number] },
  ]);
  return { ...y, shape: x!.shape };
}

function attention(backend: WebGPUBackend, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const qkv = inputs.qkv as tf.TensorInfo;
  const heads = attrs.numHeads as number;
  const [batch = 0, tokens = 0, wide = 0] = qkv.shape;
  const headSize = wide / 3 / heads;
  const program = attentionProgram(batch, tokens, heads, headSize, widthFor(headSize));
  return backend.runWebGPUProgram(program, [flatten(qkv)], 'float32', [
    { type: 'int32', data: [tokens] },
    { type: 'int32', data: [heads] },
  ]);
}

/** Four numbers at a time where every row begins at a multiple of four. */
function widthFor(...lengths: number[]): Width {
  return lengths.every((length) => length % 4 === 0) ? 4 : 1;
}

/** The same data as one row: the shaders know the shapes by uniforms of their own. */
function flatten(tensor: tf.TensorInfo): tf.TensorInfo {
  return { ...tensor, shape: [tf.util.sizeFromShape(tensor.shape)] };
}
