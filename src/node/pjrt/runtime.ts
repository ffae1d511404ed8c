import * as tf from '@tensorflow/tfjs-core';
import { float32ToBfloat16Bits, float32ToFloat16Bits } from '../../../converters/formats/halfFloat.js';
import {
  elementType,
  type ProgramDtype,
  type ProgramModel,
  writeProgram,
} from '../../engines/pjrt/program.js';
import type { ElementType } from '../../engines/pjrt/stablehlo.js';
import type { WeightReader } from '../../families/types.js';
import type { Runtime } from '../../models/visionTransformer.js';
import { sizeOf } from '../../shape.js';
import type { Pointer } from './api.js';
import type { Executable, PjrtClient } from './client.js';
import type { ProgramCache } from './programCache.js';

export interface XlaRuntimeOptions {
  readonly model: ProgramModel;
  /** Gives each of the model's weights once, float32 in tfjs' layout. */
  readonly read: WeightReader;
  readonly dtype: ProgramDtype;
}

/**
 * A model as XLA programs, one for each batch size that is a power of two; a batch between two of them is filled up with
 * zeros. The weights are handed over once and stay on the device.
 */
export class XlaRuntime implements Runtime {
  private readonly programs = new Map<number, Executable>();

  private constructor(
    private readonly client: PjrtClient,
    private readonly cache: ProgramCache,
    private readonly model: ProgramModel,
    private readonly dtype: ProgramDtype,
    private readonly weights: readonly Pointer[],
  ) {}

  static async create(
    client: PjrtClient,
    cache: ProgramCache,
    { model, read, dtype }: XlaRuntimeOptions,
  ): Promise<XlaRuntime> {
    const type = elementType(dtype);
    const weights: Pointer[] = [];
    try {
      for (const { name, shape } of model.weights) {
        weights.push(client.upload(encode(await read(name), type), shape, type));
      }
    } catch (error) {
      for (const weight of weights) client.free(weight);
      throw error;
    }
    return new XlaRuntime(client, cache, model, dtype, weights);
  }

  /** @returns logits, float32 [B, classes] */
  predict(x: tf.Tensor4D): tf.Tensor2D {
    const batch = x.shape[0];
    const logits = this.logits(x.dataSync<'float32'>(), batch);
    return tf.tensor2d(logits, [batch, logits.length / batch]);
  }

  /** @param pixels float32 [batch, H, W, C]; gives logits, float32 [batch, classes] */
  logits(pixels: Float32Array, batch: number): Float32Array {
    const size = programSize(batch);
    let program = this.programs.get(size);
    if (!program) {
      program = this.cache.get(this.text(size));
      this.programs.set(size, program);
    }
    const started = this.start(program, pixels, size);
    try {
      const all = this.client.download(started, this.outputs * size);
      return all.subarray(0, this.outputs * batch);
    } finally {
      this.client.free(started);
    }
  }

  /** The same without blocking the event loop while XLA compiles or the device computes. */
  async logitsAsync(pixels: Float32Array, batch: number): Promise<Float32Array> {
    const size = programSize(batch);
    let program = this.programs.get(size);
    if (!program) {
      program = await this.cache.getAsync(this.text(size));
      this.programs.set(size, program);
    }
    const started = this.start(program, pixels, size);
    try {
      const all = await this.client.downloadAsync(started, this.outputs * size);
      return all.subarray(0, this.outputs * batch);
    } finally {
      this.client.free(started);
    }
  }

  private get outputs(): number {
    return this.model.outputWidth;
  }

  private text(size: number): string {
    return writeProgram(this.model, size, this.dtype);
  }

  private start(program: Executable, pixels: Float32Array, size: number): Pointer {
    const shape = [size, ...this.model.inputShape];
    const whole = sizeOf(shape);
    let values = pixels;
    if (pixels.length < whole) {
      values = new Float32Array(whole);
      values.set(pixels);
    }
    const images = this.client.upload(values, shape, 'f32');
    try {
      return this.client.execute(program, [images, ...this.weights]);
    } finally {
      // The program holds the memory until it has read it.
      this.client.free(images);
    }
  }

  dispose(): void {
    for (const program of this.programs.values()) this.client.freeExecutable(program);
    for (const weight of this.weights) this.client.free(weight);
    this.programs.clear();
  }
}

/** The least power of two that a batch fits in. */
function programSize(batch: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, batch)));
}

function encode(values: Float32Array, type: ElementType): Float32Array | Uint16Array {
  if (type === 'f32') return values;
  return type === 'bf16' ? float32ToBfloat16Bits(values) : float32ToFloat16Bits(values);
}
