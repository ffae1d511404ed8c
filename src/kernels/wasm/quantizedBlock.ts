/** The kernel QUANTIZED_BLOCK: a transformer block in 8-bit arithmetic, in one call. */
import type * as tf from '@tensorflow/tfjs-core';
import { QUANTIZED_BLOCK } from '../../ops/kernelNames.js';
import {
  check,
  checkFloats,
  type Inputs,
  type KernelRuntime,
  makeOutput,
  valueCount,
} from './kernelInputs.js';
import { addressOf, memoryOf, withScratch } from './wasmBackend.js';

/** Bytes of the addresses that the kernel reads (BlockWeights in assembly/quantizedBlock.ts). */
const ADDRESSES_BYTES = 64;

export function quantizedBlock(runtime: KernelRuntime, given: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { backend, kernels } = runtime;
  const inputs = checkFloats<'x' | 'fc1Codes', string>(QUANTIZED_BLOCK, given);
  const { x } = inputs;
  const [batch = 0, tokens = 0, width = 0] = x.shape;
  const hidden = inputs.fc1Codes.shape[1] ?? 0;
  const heads = attrs.numHeads as number;
  check(QUANTIZED_BLOCK, x.shape.length === 3 && width % heads === 0, 'x [B, T, D]', { x });
  checkShapes(inputs, width, hidden);
  const prefix = Math.min(attrs.prefixTokens as number, tokens);
  const y = makeOutput(runtime, x.shape);
  if (valueCount(x) === 0) return y;
  const bytes = kernels.quantizedBlockScratchBytes(tokens, width, heads, hidden, prefix) >>> 0;
  const addresses = weightAddresses(runtime, inputs, width, hidden);
  withScratch(backend, ADDRESSES_BYTES + bytes, (scratch) => {
    new Uint32Array(memoryOf(backend)!.buffer, scratch, addresses.length).set(addresses);
    kernels.quantizedBlock(
      addressOf(backend, x),
      batch,
      tokens,
      width,
      heads,
      hidden,
      prefix,
      attrs.epsilon as number,
      scratch,
      addressOf(backend, y),
      scratch + ADDRESSES_BYTES,
    );
  });
  return y;
}

/** In the order of BlockWeights. */
function weightAddresses(
  { backend, weights }: KernelRuntime,
  inputs: Inputs,
  width: number,
  hidden: number,
): number[] {
  const at = (name: string) => addressOf(backend, inputs[name]);
  const packed = (name: string, k: number, n: number) =>
    weights.getQuantized(inputs[`${name}Codes`]!.dataId, inputs[`${name}Scale`]!.dataId, k, n);
  return [
    at('norm1Gamma'),
    at('norm1Beta'),
    packed('qkv', width, 3 * width),
    at('qkvBias'),
    packed('proj', width, width),
    at('projBias'),
    at('scale1'),
    at('norm2Gamma'),
    at('norm2Beta'),
    packed('fc1', width, hidden),
    at('fc1Bias'),
    packed('fc2', hidden, width),
    at('fc2Bias'),
    at('scale2'),
  ];
}

function checkShapes(inputs: Inputs, width: number, hidden: number): void {
  const expect = (name: string, shape: number[], optional = false) => {
    const found = inputs[name];
    const fits = found ? String(found.shape) === String(shape) : optional;
    check(QUANTIZED_BLOCK, fits, `${name} [${shape}]`, found ? { [name]: found } : {});
  };
  const expectMatrix = (name: string, k: number, n: number) => {
    expect(`${name}Codes`, [k, n]);
    expect(`${name}Scale`, [n]);
    expect(`${name}Bias`, [n], true);
  };
  for (const name of ['norm1Gamma', 'norm1Beta', 'norm2Gamma', 'norm2Beta']) expect(name, [width]);
  for (const name of ['scale1', 'scale2']) expect(name, [width], true);
  expectMatrix('qkv', width, 3 * width);
  expectMatrix('proj', width, width);
  expectMatrix('fc1', width, hidden);
  expectMatrix('fc2', hidden, width);
}
