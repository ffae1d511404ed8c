/** The kernels of src/ops/kernelNames.ts as TensorFlow.js calls them: shapes checked, addresses handed on. */
import type * as tf from '@tensorflow/tfjs-core';
import {
  ATTENTION,
  ATTENTION_GRADIENT,
  GELU_GRADIENT,
  LAYER_NORM,
  LINEAR,
  PATCH_EMBED,
  QUANTIZED_BLOCK,
} from '../../ops/kernelNames.js';
import {
  check,
  checkFloats,
  type Inputs,
  type KernelRuntime,
  makeOutput,
  valueCount,
} from './kernelInputs.js';
import { quantizedBlock } from './quantizedBlock.js';
import { addressOf, withScratch } from './wasmBackend.js';

type Kernel = (runtime: KernelRuntime, inputs: Inputs, attrs: tf.NamedAttrMap) => tf.TensorInfo;

export const KERNELS: Record<string, Kernel> = {
  [LINEAR]: linear,
  [LAYER_NORM]: layerNorm,
  [ATTENTION]: attention,
  [ATTENTION_GRADIENT]: attentionGradient,
  [GELU_GRADIENT]: geluGradient,
  [PATCH_EMBED]: patchEmbed,
  [QUANTIZED_BLOCK]: quantizedBlock,
};

function linear(runtime: KernelRuntime, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { backend, kernels, weights } = runtime;
  const { x, kernel, bias, scale, residual } = checkFloats<'x' | 'kernel', 'bias' | 'scale' | 'residual'>(
    LINEAR,
    inputs,
  );
  const [k = 0, n = 0] = kernel.shape;
  check(
    LINEAR,
    kernel.shape.length === 2 && k > 0 && x.shape.at(-1) === k,
    'x [..., K], kernel [K, N]',
    inputs,
  );
  for (const vector of [bias, scale])
    check(LINEAR, !vector || valueCount(vector) === n, 'bias and scale [N]', inputs);
  const m = valueCount(x) / k;
  const residualRows = residual ? valueCount(residual) / n : 1;
  check(LINEAR, m % residualRows === 0 || m * n === 0, 'a residual of the output’s shape', inputs);

  const y = makeOutput(runtime, [...x.shape.slice(0, -1), n]);
  if (m * n === 0) return y;
  const weight = weights.get(kernel.dataId, k, n);
  withScratch(backend, kernels.linearScratchBytes(m, k, 1), (scratch) => {
    kernels.linear(
      addressOf(backend, x),
      m,
      k,
      n,
      weight.address,
      weight.packed,
      addressOf(backend, bias),
      addressOf(backend, scale),
      addressOf(backend, residual),
      residualRows,
      attrs.activation === 'gelu',
      addressOf(backend, y),
      scratch,
    );
  });
  return y;
}

function layerNorm(runtime: KernelRuntime, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { backend, kernels } = runtime;
  const { x, gamma, beta } = checkFloats<'x' | 'gamma' | 'beta'>(LAYER_NORM, inputs);
  const d = x.shape.at(-1) ?? 0;
  check(
    LAYER_NORM,
    valueCount(gamma) === d && valueCount(beta) === d,
    'x [..., D], gamma and beta [D]',
    inputs,
  );
  const y = makeOutput(runtime, x.shape);
  if (valueCount(x) === 0) return y;
  kernels.layerNorm(
    addressOf(backend, x),
    valueCount(x) / d,
    d,
    addressOf(backend, gamma),
    addressOf(backend, beta),
    attrs.epsilon as number,
    addressOf(backend, y),
  );
  return y;
}

function attention(runtime: KernelRuntime, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { backend, kernels } = runtime;
  const { qkv } = checkFloats<'qkv'>(ATTENTION, inputs);
  const numHeads = attrs.numHeads as number;
  const [batch = 0, tokens = 0, width = 0] = qkv.shape;
  check(
    ATTENTION,
    qkv.shape.length === 3 && width % (3 * numHeads) === 0,
    `qkv [B, T, 3 · ${numHeads} · d]`,
    inputs,
  );
  const headSize = width / 3 / numHeads;
  const y = makeOutput(runtime, [batch, tokens, width / 3]);
  if (valueCount(y) === 0) return y;
  withScratch(backend, kernels.attentionScratchBytes(tokens, headSize), (scratch) => {
    const from = addressOf(backend, qkv);
    kernels.attention(from, batch, tokens, numHeads, headSize, addressOf(backend, y), scratch);
  });
  return y;
}

function attentionGradient(runtime: KernelRuntime, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { backend, kernels } = runtime;
  const { qkv, dy } = checkFloats<'qkv' | 'dy'>(ATTENTION_GRADIENT, inputs);
  const numHeads = attrs.numHeads as number;
  const [batch = 0, tokens = 0, width = 0] = qkv.shape;
  const fits =
    qkv.shape.length === 3 && width % (12 * numHeads) === 0 && valueCount(dy) * 3 === valueCount(qkv);
  check(ATTENTION_GRADIENT, fits, `qkv [B, T, 3 · ${numHeads} · d], d a multiple of 4, dy [B, T, D]`, inputs);
  const gradient = makeOutput(runtime, qkv.shape);
  if (valueCount(gradient) === 0) return gradient;
  withScratch(backend, kernels.attentionGradientScratchBytes(tokens), (scratch) => {
    kernels.attentionGradient(
      addressOf(backend, qkv),
      addressOf(backend, dy),
      batch,
      tokens,
      numHeads,
      width / 3 / numHeads,
      addressOf(backend, gradient),
      scratch,
    );
  });
  return gradient;
}

function geluGradient(runtime: KernelRuntime, inputs: Inputs): tf.TensorInfo {
  const { backend, kernels } = runtime;
  const { x, dy } = checkFloats<'x' | 'dy'>(GELU_GRADIENT, inputs);
  check(GELU_GRADIENT, valueCount(x) === valueCount(dy), 'x and dy of one shape', inputs);
  const dx = makeOutput(runtime, x.shape);
  if (valueCount(x) === 0) return dx;
  withScratch(backend, kernels.geluGradientScratchBytes(), (scratch) => {
    const from = addressOf(backend, x);
    kernels.geluGradient(from, addressOf(backend, dy), valueCount(x), addressOf(backend, dx), scratch);
  });
  return dx;
}

function patchEmbed(runtime: KernelRuntime, inputs: Inputs): tf.TensorInfo {
  const { backend, kernels, weights } = runtime;
  const { x, kernel, bias } = checkFloats<'x' | 'kernel' | 'bias'>(PATCH_EMBED, inputs);
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [patch = 0, across = 0, depth = 0, n = 0] = kernel.shape;
  const fits = patch > 0 && patch === across && depth > 0 && depth === channels && valueCount(bias) === n;
  check(PATCH_EMBED, x.shape.length === 4 && fits, 'x [B, H, W, C], kernel [p, p, C, D], bias [D]', inputs);
  check(PATCH_EMBED, height % patch === 0 && width % patch === 0, 'an image of whole patches', inputs);
  const tokens = (height / patch) * (width / patch);
  const y = makeOutput(runtime, [batch, tokens, n]);
  if (valueCount(y) === 0) return y;
  const unit = patch * channels;
  const weight = weights.get(kernel.dataId, patch * unit, n);
  withScratch(backend, kernels.linearScratchBytes(batch * tokens, patch * unit, unit), (scratch) => {
    kernels.patchEmbed(
      addressOf(backend, x),
      batch,
      height,
      width,
      channels,
      patch,
      n,
      weight.address,
      weight.packed,
      addressOf(backend, bias),
      addressOf(backend, y),
      scratch,
    );
  });
  return y;
}
