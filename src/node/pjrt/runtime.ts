import * as tf from '@tensorflow/tfjs-core';
import { float32ToBfloat16Bits, float32ToFloat16Bits } from '../../../converters/formats/halfFloat.js';
import type { ComputeDtype } from '../../computeDtype.js';
import type { AttentionKernel } from '../../engines/pjrt/hloOps.js';
import { elementType, type ProgramModel, writeProgram } from '../../engines/pjrt/program.js';
import type { ElementType } from '../../engines/pjrt/stablehlo.js';
import type { WeightReader } from '../../families/types.js';
import type { RunOptions, Runtime } from '../../models/visionTransformer.js';
import { sizeOf } from '../../shape.js';
import { PjrtError, type Pointer } from './api.js';
import type { Executable, PjrtDevice } from './device.js';
import type { ProgramCache } from './programCache.js';

export interface XlaRuntimeOptions {
  readonly model: ProgramModel;
  /** Gives each of the model's weights once, float32 in tfjs' layout. */
  readonly read: WeightReader;
  readonly dtype: ComputeDtype;
  /** By default cuDNN's attention where the plugin is CUDA's. */
  readonly attention?: AttentionKernel;
}

/** A program of one output and batch size. */
interface Program {
  readonly size: number;
  /** Numbers of an image's row of the result. */
  readonly width: number;
  readonly executable: Executable;
}

/** A forward pass under way. */
interface Call {
  readonly output: Pointer;
  readonly arrival: Pointer;
  /** What the plugin reads until it is uploaded. */
  readonly values: Float32Array;
}

/** A batch goes through a program that is compiled for one so many times as large, rather than wait for its own. */
const MOST_FILLING = 8;

/**
 * A model as XLA programs, one for each batch size that is a power of two; a batch between two of them is filled up with
 * zeros, and so is a smaller one where a program is there. The weights are handed over once and stay on the device.
 */
export class XlaRuntime implements Runtime {
  /** By output: programs, and those that are being compiled. */
  private readonly programs = new Map<string, Map<number, Program | Promise<Program>>>();

  private constructor(
    private readonly device: PjrtDevice,
    private readonly cache: ProgramCache,
    private readonly model: ProgramModel,
    private readonly dtype: ComputeDtype,
    private readonly weights: readonly Pointer[],
    private attention: AttentionKernel,
  ) {}

  static async create(
    device: PjrtDevice,
    cache: ProgramCache,
    { model, read, dtype, attention }: XlaRuntimeOptions,
  ): Promise<XlaRuntime> {
    const type = elementType(dtype);
    const weights: Pointer[] = [];
    try {
      for (const { name, shape } of model.weights) {
        weights.push(device.upload(encode(await read(name), type), shape, type));
      }
    } catch (error) {
      for (const weight of weights) device.free(weight);
      throw error;
    }
    const kernel = attention ?? (device.platform.name === 'cuda' ? 'cudnn' : 'products');
    return new XlaRuntime(device, cache, model, dtype, weights, kernel);
  }

  /** @returns logits, float32 [B, classes] */
  predict(x: tf.Tensor4D): tf.Tensor2D {
    const batch = x.shape[0];
    const program = this.programNow('logits', batch);
    const call = this.start(program, x.dataSync<'float32'>());
    try {
      const all = this.device.download(call.output, program.width * program.size);
      return tf.tensor2d(all.subarray(0, program.width * batch), [batch, program.width]);
    } finally {
      this.end(call);
    }
  }

  /** The same without blocking the event loop while XLA compiles, images travel or the device computes. */
  readonly run = (images: Float32Array, batch: number, options?: RunOptions) =>
    this.compute('logits', images, batch, options);

  readonly embed = (images: Float32Array, batch: number, options?: RunOptions) =>
    this.compute('embedding', images, batch, options);

  readonly heads = (images: Float32Array, batch: number, options?: RunOptions) =>
    this.compute('heads', images, batch, options);

  private async compute(
    output: string,
    images: Float32Array,
    batch: number,
    { signal }: RunOptions = {},
  ): Promise<Float32Array> {
    const program = await this.program(output, batch);
    signal?.throwIfAborted();
    const call = this.start(program, images);
    try {
      const all = await this.device.downloadAsync(call.output, program.width * program.size);
      return all.subarray(0, program.width * batch);
    } finally {
      this.end(call);
    }
  }

  /** Milliseconds of a forward pass on the device alone, the images being there; the mean over some time. */
  async measure(images: Float32Array, batch: number, milliseconds: number): Promise<number> {
    const { executable, width, size } = await this.program('logits', batch);
    if (size !== batch) throw new Error(`there is a program for batches of ${size}, not of ${batch}`);
    const input = this.device.upload(images, [batch, ...this.model.inputShape], 'f32');
    const runs = async (count: number) => {
      const started = performance.now();
      const outputs: Pointer[] = [];
      for (let i = 0; i < count; i++) {
        outputs.push(this.device.execute(executable, [input, ...this.weights]));
        if (outputs.length > 2) this.device.free(outputs.shift()!);
      }
      await this.device.downloadAsync(outputs.at(-1)!, width * batch);
      for (const output of outputs) this.device.free(output);
      return (performance.now() - started) / count;
    };
    await runs(3);
    const each = await runs(5);
    const mean = await runs(Math.max(5, Math.ceil(milliseconds / each)));
    this.device.free(input);
    return mean;
  }

  private programsOf(output: string): Map<number, Program | Promise<Program>> {
    const known = this.programs.get(output);
    if (known) return known;
    const programs = new Map<number, Program | Promise<Program>>();
    this.programs.set(output, programs);
    return programs;
  }

  /** The program for a batch, or one for larger ones that is there. */
  private program(output: string, batch: number): Program | Promise<Program> {
    const programs = this.programsOf(output);
    const known = fitting(programs, batch, () => true);
    if (known) return known;
    const size = programSize(batch);
    const compiling = this.compile(output, size);
    programs.set(size, compiling);
    compiling.then(
      (program) => programs.set(size, program),
      () => programs.delete(size),
    );
    return compiling;
  }

  /** As `program`, compiling while the caller waits. */
  private programNow(output: string, batch: number): Program {
    const programs = this.programsOf(output);
    const known = fitting(programs, batch, (program) => !(program instanceof Promise)) as Program | undefined;
    if (known) return known;
    const size = programSize(batch);
    const { text, width } = this.write(output, size);
    let executable: Executable;
    try {
      executable = this.cache.get(text);
    } catch (error) {
      this.leaveCudnn(error);
      executable = this.cache.get(this.write(output, size).text);
    }
    const program = { size, width, executable };
    programs.set(size, program);
    return program;
  }

  private async compile(output: string, size: number): Promise<Program> {
    const { text, width } = this.write(output, size);
    try {
      return { size, width, executable: await this.cache.getAsync(text) };
    } catch (error) {
      this.leaveCudnn(error);
      return { size, width, executable: await this.cache.getAsync(this.write(output, size).text) };
    }
  }

  private write(output: string, size: number) {
    return writeProgram(this.model, output, size, this.dtype, this.attention);
  }

  /** Goes on without cuDNN's attention, which not every version has for every shape; else throws the error. */
  private leaveCudnn(error: unknown): void {
    if (!(error instanceof PjrtError) || error.outOfMemory || this.attention !== 'cudnn') throw error;
    this.attention = 'products';
  }

  private start({ executable, size }: Program, pixels: Float32Array): Call {
    const shape = [size, ...this.model.inputShape];
    const whole = sizeOf(shape);
    let values = pixels;
    if (pixels.length < whole) {
      values = new Float32Array(whole);
      values.set(pixels);
    }
    const images = this.device.startUpload(values, shape, 'f32');
    try {
      const output = this.device.execute(executable, [images.buffer, ...this.weights]);
      return { output, arrival: images.event, values };
    } catch (error) {
      this.device.await(images.event);
      throw error;
    } finally {
      // The program holds the memory until it has read it.
      this.device.free(images.buffer);
    }
  }

  private end({ output, arrival }: Call): void {
    this.device.free(output);
    this.device.freeEvent(arrival);
  }

  dispose(): void {
    for (const programs of this.programs.values()) {
      for (const program of programs.values()) {
        if (!(program instanceof Promise)) this.device.freeExecutable(program.executable);
        else program.then(({ executable }) => this.device.freeExecutable(executable)).catch(() => {});
      }
    }
    for (const weight of this.weights) this.device.free(weight);
    this.programs.clear();
  }
}

/** The program of the least size that a batch fits in without much filling. */
function fitting(
  programs: ReadonlyMap<number, Program | Promise<Program>>,
  batch: number,
  counts: (program: Program | Promise<Program>) => boolean,
): Program | Promise<Program> | undefined {
  const sizes = [...programs.keys()].sort((a, b) => a - b);
  const size = sizes.find(
    (size) => size >= batch && size <= MOST_FILLING * batch && counts(programs.get(size)!),
  );
  return size === undefined ? undefined : programs.get(size);
}

/** The least power of two that a batch fits in. */
function programSize(batch: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, batch)));
}

function encode(values: Float32Array, type: ElementType): Float32Array | Uint16Array {
  if (type === 'f32') return values;
  return type === 'bf16' ? float32ToBfloat16Bits(values) : float32ToFloat16Bits(values);
}
