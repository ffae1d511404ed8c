import { concatFloats } from '../../concat.js';
import { UserError } from '../../errors.js';
import type { Ops } from '../../ops/interface.js';
import { sizeOf } from '../../shape.js';
import { Pipelines } from './pipelines.js';
import { dispatchOf, encodeDispatches, makePlan, type Plan, sizesBuffer, USAGE } from './plan.js';
import { type Numbers, type Recording, record, type Value, type WeightUse } from './record.js';
import { castKernel, gridFor } from './rowKernels.js';
import { type Guard, Transfer } from './transfer.js';

export type Forward = (ops: Ops<Value>, images: Value) => Value;

export interface WebgpuEngineOptions {
  readonly device: GPUDevice;
  /** Forward passes by the name of what they give, one row an image. */
  readonly outputs: Readonly<Record<string, Forward>>;
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** A weight's buffer: float32 in tfjs' layout, with the usages STORAGE and COPY_SRC. It stays the caller's. */
  readonly weight: (name: string) => GPUBuffer;
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  /** What products of tokens are computed of; sums are float32. float16 needs the device's feature shader-f16. */
  readonly dtype?: 'float32' | 'float16';
  /** Whether the device multiplies matrices of float16 in subgroups of 32 (see matrixKernel). */
  readonly matrices?: boolean;
  /** Throws, or gives a promise that rejects, once the device is lost. */
  readonly guard?: Guard;
}

/** Plans that are kept: of one more, the least recently used goes. */
const PLANS = 6;

/**
 * A model on a WebGPU device. Buffers, pipelines and bind groups are made once for a batch size; a forward pass writes
 * the images, encodes its dispatches and is one submission.
 */
export class WebgpuEngine {
  private readonly device: GPUDevice;
  private readonly numbers: Numbers;
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly pipelines: Pipelines;
  /** By output and batch; the least recently used first. */
  private readonly plans = new Map<string, Plan>();
  private readonly halves = new Map<string, GPUBuffer>();
  private readonly transfer: Transfer;
  private readonly mostImages = new Map<string, number>();

  constructor(private readonly options: WebgpuEngineOptions) {
    const { device, weights, dtype } = options;
    this.device = device;
    this.numbers = { type: dtype === 'float16' ? 'f16' : 'f32', matrices: options.matrices === true };
    this.shapes = new Map(weights.map(({ name, shape }) => [name, shape]));
    this.pipelines = new Pipelines(device);
    this.transfer = new Transfer(device, options.guard);
  }

  /**
   * @param images float32 [batch, H, W, C], not to be changed before the answer is there
   * @returns float32 [batch, n] of the output, by default `logits`
   */
  async run(images: Float32Array, batch: number, output = 'logits'): Promise<Float32Array> {
    const most = this.most(output);
    if (batch <= most) return this.transfer.read(await this.start(images, batch, output));
    const size = images.length / batch;
    const started: Promise<Float32Array>[] = [];
    for (let from = 0; from < batch; from += most) {
      const count = Math.min(most, batch - from);
      const part = images.subarray(from * size, (from + count) * size);
      started.push(this.transfer.read(await this.start(part, count, output)));
    }
    return concatFloats(await Promise.all(started));
  }

  /** The same of images in a buffer of the device; the result is in one of its own, for the caller to destroy. */
  runBuffer(images: GPUBuffer, batch: number, output = 'logits'): GPUBuffer {
    if (batch > this.most(output)) {
      throw new UserError(
        `a batch of ${batch} images needs a tensor larger than the GPU binds; at most ${this.most(output)} fit`,
      );
    }
    const plan = this.planNow(batch, output);
    const encoder = this.device.createCommandEncoder();
    const { inputShape } = this.options;
    const bytes = 4 * batch * sizeOf(inputShape);
    encoder.copyBufferToBuffer(images, 0, plan.input, 0, bytes);
    encodeDispatches(encoder, plan.dispatches);
    const size = 4 * plan.outputs;
    const result = this.device.createBuffer({ size, usage: USAGE.storage | USAGE.copySrc | USAGE.copyDst });
    encoder.copyBufferToBuffer(plan.output, 0, result, 0, size);
    this.device.queue.submit([encoder.finish()]);
    return result;
  }

  /** Images of a batch whose largest tensor the device can bind. */
  private most(output: string): number {
    let most = this.mostImages.get(output);
    if (most === undefined) {
      const { maxStorageBufferBindingSize, maxBufferSize } = this.device.limits;
      const largest = Math.max(
        ...this.record(1, output).steps.flatMap(({ operands }) =>
          operands.map((operand) => ('bytes' in operand ? operand.bytes : 0)),
        ),
      );
      most = Math.max(1, Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / largest));
      this.mostImages.set(output, most);
    }
    return most;
  }

  private record(batch: number, output: string): Recording {
    const { outputs, inputShape } = this.options;
    const forward = outputs[output];
    if (!forward) throw new Error(`no output is named ${output}`);
    return record(forward, inputShape, batch, (name) => this.shapes.get(name), this.numbers);
  }

  private async start(images: Float32Array, batch: number, output: string): Promise<GPUBuffer> {
    const plan = this.knownPlan(batch, output) ?? (await this.planLater(batch, output));
    const reader = this.transfer.reader(plan.outputs * 4);
    const encoder = this.device.createCommandEncoder();
    const staging = this.transfer.stage(images);
    encoder.copyBufferToBuffer(staging, 0, plan.input, 0, images.byteLength);
    encodeDispatches(encoder, plan.dispatches);
    encoder.copyBufferToBuffer(plan.output, 0, reader, 0, plan.outputs * 4);
    this.device.queue.submit([encoder.finish()]);
    this.transfer.unstage(staging);
    return reader;
  }

  /** The plan of a batch's passes, if there is one; it becomes the last that goes. */
  private knownPlan(batch: number, output: string): Plan | undefined {
    const key = `${output} ${batch}`;
    const plan = this.plans.get(key);
    if (!plan) return undefined;
    this.plans.delete(key);
    this.plans.set(key, plan);
    return plan;
  }

  /** Makes a plan, compiling while the event loop goes on; another call may have made it meanwhile. */
  private async planLater(batch: number, output: string): Promise<Plan> {
    const recording = this.record(batch, output);
    await this.guard(this.pipelines.compile(recording.steps.map(({ code }) => code)));
    return this.knownPlan(batch, output) ?? this.addPlan(batch, output, recording);
  }

  /** The plan of a batch's passes, compiling while the caller waits. */
  private planNow(batch: number, output: string): Plan {
    const known = this.knownPlan(batch, output);
    if (known) return known;
    const recording = this.record(batch, output);
    return this.addPlan(batch, output, recording);
  }

  private addPlan(batch: number, output: string, recording: Recording): Plan {
    const plan = makePlan(this.device, recording, this.pipelines, (use) => this.weight(use));
    this.plans.set(`${output} ${batch}`, plan);
    const [oldest] = this.plans.keys();
    if (this.plans.size > PLANS) {
      for (const buffer of this.plans.get(oldest!)!.buffers) buffer.destroy();
      this.plans.delete(oldest!);
    }
    return plan;
  }

  private weight({ name, type }: WeightUse): GPUBuffer {
    if (type === 'f32') return this.options.weight(name);
    const half =
      this.halves.get(name) ?? this.cast(this.options.weight(name), sizeOf(this.shapes.get(name)!));
    this.halves.set(name, half);
    return half;
  }

  private cast(whole: GPUBuffer, count: number): GPUBuffer {
    const { device } = this;
    const half = device.createBuffer({ size: Math.ceil(count / 8) * 16, usage: USAGE.storage });
    const sizes = sizesBuffer(device, [count]);
    const bound = [whole, half, sizes].map((buffer) => ({ buffer }));
    const pipeline = this.pipelines.get(castKernel());
    const encoder = device.createCommandEncoder();
    encodeDispatches(encoder, [dispatchOf(device, pipeline, bound, gridFor(Math.ceil(count / 2)))]);
    device.queue.submit([encoder.finish()]);
    sizes.destroy();
    return half;
  }

  private guard<T>(promise: Promise<T>): Promise<T> {
    return this.options.guard ? this.options.guard(promise) : promise;
  }

  /** Frees what is the engine's own; the weights stay the caller's. */
  dispose(): void {
    const plans = [...this.plans.values()].flatMap(({ buffers }) => buffers);
    for (const buffer of [...plans, ...this.halves.values()]) buffer.destroy();
    this.transfer.dispose();
    this.plans.clear();
    this.halves.clear();
  }
}
