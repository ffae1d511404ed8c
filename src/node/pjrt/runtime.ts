import * as tf from '@tensorflow/tfjs-core';
import { float32ToBfloat16Bits, float32ToFloat16Bits } from '../../../converters/formats/halfFloat.js';
import type { AttentionKernel } from '../../engines/pjrt/hloOps.js';
import {
  elementType,
  type ProgramDtype,
  type ProgramModel,
  writeProgram,
} from '../../engines/pjrt/program.js';
import type { ElementType } from '../../engines/pjrt/stablehlo.js';
import type { WeightReader } from '../../families/types.js';
import type { RunOptions, Runtime } from '../../models/visionTransformer.js';
import { sizeOf } from '../../shape.js';
import { PjrtError, type Pointer } from './api.js';
import type { Executable, PjrtClient } from './client.js';
import type { ProgramCache } from './programCache.js';

export interface XlaRuntimeOptions {
  readonly model: ProgramModel;
  /** Gives each of the model's weights once, float32 in tfjs' layout. */
  readonly read: WeightReader;
  readonly dtype: ProgramDtype;
  /** By default cuDNN's attention where the plugin is CUDA's. */
  readonly attention?: AttentionKernel;
}

/**
 * A model as XLA programs, one for each batch size that is a power of two; a batch between two of them is filled up with
 * zeros. The weights are handed over once and stay on the device.
 */
export class XlaRuntime implements Runtime {
  private readonly programs = new Map<number, Executable>();
  private readonly compiling = new Map<number, Promise<Executable>>();

  private constructor(
    private readonly client: PjrtClient,
    private readonly cache: ProgramCache,
    private readonly model: ProgramModel,
    private readonly dtype: ProgramDtype,
    private readonly weights: readonly Pointer[],
    private attention: AttentionKernel,
  ) {}

  static async create(
    client: PjrtClient,
    cache: ProgramCache,
    { model, read, dtype, attention }: XlaRuntimeOptions,
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
    const kernel = attention ?? (client.platform === 'cuda' ? 'cudnn' : 'products');
    return new XlaRuntime(client, cache, model, dtype, weights, kernel);
  }

  /** @returns logits, float32 [B, classes] */
  predict(x: tf.Tensor4D): tf.Tensor2D {
    const batch = x.shape[0];
    const logits = this.logits(x.dataSync<'float32'>(), batch);
    return tf.tensor2d(logits, [batch, logits.length / batch]);
  }

  private logits(pixels: Float32Array, batch: number): Float32Array {
    const size = programSize(batch);
    let program = this.programs.get(size);
    if (!program) {
      try {
        program = this.cache.get(this.text(size));
      } catch (error) {
        this.withoutCudnn(error);
        program = this.cache.get(this.text(size));
      }
      this.programs.set(size, program);
    }
    const call = this.start(program, pixels, size);
    try {
      return this.client.download(call.output, this.outputs * size).subarray(0, this.outputs * batch);
    } finally {
      this.end(call);
    }
  }

  /** The same without blocking the event loop while XLA compiles, images travel or the device computes. */
  readonly run = async (
    images: Float32Array,
    batch: number,
    { signal }: RunOptions = {},
  ): Promise<Float32Array> => {
    const size = programSize(batch);
    const program = await this.program(size);
    signal?.throwIfAborted();
    const call = this.start(program, images, size);
    try {
      const all = await this.client.downloadAsync(call.output, this.outputs * size);
      return all.subarray(0, this.outputs * batch);
    } finally {
      this.end(call);
    }
  };

  /** Milliseconds of a forward pass on the device alone, the images being there; the mean over some time. */
  async measure(images: Float32Array, batch: number, milliseconds: number): Promise<number> {
    const program = await this.program(batch);
    const input = this.client.upload(images, [batch, ...this.model.inputShape], 'f32');
    const runs = async (count: number) => {
      const started = performance.now();
      const outputs: Pointer[] = [];
      for (let i = 0; i < count; i++) {
        outputs.push(this.client.execute(program, [input, ...this.weights]));
        if (outputs.length > 2) this.client.free(outputs.shift()!);
      }
      await this.client.downloadAsync(outputs.at(-1)!, this.outputs * batch);
      for (const output of outputs) this.client.free(output);
      return (performance.now() - started) / count;
    };
    await runs(3);
    const each = await runs(5);
    const mean = await runs(Math.max(5, Math.ceil(milliseconds / each)));
    this.client.free(input);
    return mean;
  }

  private async program(size: number): Promise<Executable> {
    let compiling = this.compiling.get(size);
    if (!compiling) {
      const known = this.programs.get(size);
      compiling = known ? Promise.resolve(known) : this.compile(size);
      this.compiling.set(size, compiling);
      compiling.then(
        (program) => this.programs.set(size, program),
        () => this.compiling.delete(size),
      );
    }
    return compiling;
  }

  private async compile(size: number): Promise<Executable> {
    try {
      return await this.cache.getAsync(this.text(size));
    } catch (error) {
      this.withoutCudnn(error);
      return this.cache.getAsync(this.text(size));
    }
  }

  /** Goes on without cuDNN's attention, which not every version has for every shape; else throws the error. */
  private withoutCudnn(error: unknown): void {
    if (!(error instanceof PjrtError) || error.outOfMemory || this.attention !== 'cudnn') throw error;
    this.attention = 'products';
  }

  private get outputs(): number {
    return this.model.outputWidth;
  }

  private text(size: number): string {
    return writeProgram(this.model, size, this.dtype, this.attention);
  }

  private start(program: Executable, pixels: Float32Array, size: number): Call {
    const shape = [size, ...this.model.inputShape];
    const whole = sizeOf(shape);
    let values = pixels;
    if (pixels.length < whole) {
      values = new Float32Array(whole);
      values.set(pixels);
    }
    const images = this.client.startUpload(values, shape, 'f32');
    try {
      const output = this.client.execute(program, [images.buffer, ...this.weights]);
      return { output, arrival: images.event, values };
    } catch (error) {
      this.client.await(images.event);
      throw error;
    } finally {
      // The program holds the memory until it has read it.
      this.client.free(images.buffer);
    }
  }

  private end({ output, arrival }: Call): void {
    this.client.free(output);
    this.client.freeEvent(arrival);
  }

  dispose(): void {
    for (const program of this.programs.values()) this.client.freeExecutable(program);
    for (const weight of this.weights) this.client.free(weight);
    this.programs.clear();
  }
}

/** A forward pass under way. */
interface Call {
  readonly output: Pointer;
  readonly arrival: Pointer;
  /** What the plugin reads until it is uploaded. */
  readonly values: Float32Array;
}

/** The least power of two that a batch fits in. */
function programSize(batch: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, batch)));
}

function encode(values: Float32Array, type: ElementType): Float32Array | Uint16Array {
  if (type === 'f32') return values;
  return type === 'bf16' ? float32ToBfloat16Bits(values) : float32ToFloat16Bits(values);
}
