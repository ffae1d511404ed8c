import type { ComputeDtype } from '../../computeDtype.js';
import type { Ops } from '../../ops/interface.js';
import { type AttentionKernel, HloOps } from './hloOps.js';
import { type ElementType, type Hlo, HloWriter } from './stablehlo.js';

/** The element type that weights are handed over in. */
export function elementType(dtype: ComputeDtype): ElementType {
  return dtype === 'bfloat16' ? 'bf16' : dtype === 'float16' ? 'f16' : 'f32';
}

/** A forward pass to be written. */
export interface ProgramModel {
  /** Names and shapes of the weights, the arguments behind the images. */
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  /** Forward passes by the name of what they give, one row an image. */
  readonly outputs: Readonly<Record<string, (ops: Ops<Hlo>, images: Hlo) => Hlo>>;
}

export interface WrittenProgram {
  readonly text: string;
  /** Numbers of an image's row of the result. */
  readonly width: number;
}

/**
 * One of a model's forward passes for one batch size as StableHLO text: @main(images float32 [batch, H, W, C], weights …)
 * → float32 [batch, width].
 */
export function writeProgram(
  model: ProgramModel,
  output: string,
  batch: number,
  dtype: ComputeDtype,
  attention: AttentionKernel = 'products',
): WrittenProgram {
  const forward = model.outputs[output];
  if (!forward) throw new Error(`no output is named ${output}`);
  const type = elementType(dtype);
  const writer = new HloWriter(dtype === 'float32' ? 'HIGHEST' : 'DEFAULT');
  const images = writer.argument([batch, ...model.inputShape], 'f32');
  const weights = new Map(model.weights.map(({ name, shape }) => [name, writer.argument(shape, type)]));
  const ops = new HloOps(writer, (name) => weights.get(name), type, attention);
  const result = writer.convert(forward(ops, images), 'f32');
  return { text: writer.module(result), width: result.shape[1]! };
}
