/** Trains a model on a WebGPU device: weights, gradients, means and activations stay in its memory. */
import { UserError } from '../../../errors.js';
import { sizeOf } from '../../../shape.js';
import type { GradientBatch } from '../../wasm/training/engine.js';
import { type Recording, Untrainable } from '../../wasm/training/record.js';
import { record, type TrainingForward } from '../../wasm/training/recording.js';
import type { AdamWNumbers } from '../../wasm/training/space.js';
import { BUFFERS, type BufferName, type TrainingRow } from '../../wasm/training/weightSpace.js';
import { attentionMemory } from '../attentionKernel.js';
import { Pipelines } from '../pipelines.js';
import { encode } from '../plan.js';
import { type Guard, Transfer } from '../transfer.js';
import { emit, SHAPE } from './emit.js';
import { makeOptimizer } from './optimizer.js';
import { allocate, layOut } from './plan.js';
import { type Drawn, isBound, type Kind, mostBound, type Planned, Planner } from './planner.js';
import { laySpace } from './space.js';

export interface WebgpuTrainingOptions {
  readonly device: GPUDevice;
  /** The device's name, for the description. */
  readonly name: string;
  /** What the loss reads. */
  readonly forward: TrainingForward;
  /** How many of its first columns the loss reads; all by default. */
  readonly lossColumns?: number;
  /** What the model answers. */
  readonly predict: TrainingForward;
  readonly weights: readonly TrainingRow[];
  /** Names of the weights that learn. */
  readonly trainable: ReadonlySet<string>;
  readonly inputShape: readonly [height: number, width: number, channels: number];
  /** Whether there is a running mean of the weights. */
  readonly ema: boolean;
  readonly guard?: Guard;
  /** In place of KEPT_BYTES; for tests. */
  readonly keptBytes?: number;
}

/** Where a weight, or what goes with it, lies on the device. */
export interface GpuPlace {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** As the training engine on WASM (wasm/training/engine.ts), whose comments hold for the members of the same name. */
export interface WebgpuTrainingEngine {
  readonly description: string;
  readonly width: number;
  readonly answerWidth: number;
  readonly dropRates: readonly number[];
  readonly reached: ReadonlySet<string>;
  gradients(batch: GradientBatch): Promise<void>;
  gradientNorm(): Promise<number>;
  update(numbers: AdamWNumbers): Promise<void>;
  predict(images: Float32Array, batch: number): Promise<Float32Array>;
  read(buffer: BufferName, name: string): Promise<Float32Array>;
  write(buffer: BufferName, name: string, values: Float32Array): void;
  copy(from: BufferName, to: BufferName, names: readonly string[]): void;
  /** Copied from and to at any time between the steps. */
  placeOf(buffer: BufferName, name: string): GpuPlace;
  dispose(): void;
}

/**
 * Bytes of what goes through at once: larger batches go in parts, whose gradients are added up. A device that has less is
 * asked for less.
 */
const KEPT_BYTES = 2e9;
/** Images that are answered at once, at most. */
const MOST_ANSWERED = 64;
/**
 * @throws Untrainable if the forward pass has an operation that this engine has no gradient of, or the model is too large
 *   for the device
 */
export async function createWebgpuTrainingEngine(
  options: WebgpuTrainingOptions,
): Promise<WebgpuTrainingEngine> {
  const { device, inputShape, trainable, keptBytes = KEPT_BYTES } = options;
  const guard: Guard = options.guard ?? ((promise) => promise);
  const { space, places } = laySpace(options.weights);
  const { maxBufferSize, maxComputeWorkgroupStorageSize } = device.limits;
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
  if (space.bytes > maxBufferSize) {
    throw new Untrainable(
      `${megabytes(space.bytes)} of weights, where a buffer of this GPU has at most ${megabytes(maxBufferSize)}`,
    );
  }
  const common = { imageShape: inputShape, places, shape: SHAPE, trainable };
  const draw = (recording: Recording, batch: number): Drawn => {
    const programs = emit([recording.forward, recording.backward], batch);
    const factors = recording.dropPaths.map((path) => path.factors);
    const kept = [recording.images, recording.output.operand, recording.outputGradient, ...factors];
    return { recording, programs, layout: layOut(programs, kept) };
  };
  const drawTraining = (batch: number) =>
    draw(
      record(options.forward, { ...common, batch, training: true, lossColumns: options.lossColumns }),
      batch,
    );
  const drawAnswer = (batch: number) =>
    draw(record(options.predict, { ...common, batch, training: false }), batch);
  const one = { training: drawTraining(1), answer: drawAnswer(1) };
  for (const { programs } of Object.values(one)) {
    const sizes = programs.flat().flatMap(({ headSize }) => headSize ?? []);
    const wide = sizes.find((size) => attentionMemory(size) > maxComputeWorkgroupStorageSize);
    if (wide)
      throw new Untrainable(`heads of ${wide} numbers, for which this GPU has too little workgroup memory`);
  }
  for (const drawn of Object.values(one)) {
    if (isBound(drawn, device)) continue;
    throw new Untrainable(
      `an image of its size, where this GPU binds ${megabytes(mostBound(device))} at once`,
    );
  }

  const names = BUFFERS.filter((name) => options.ema || name !== 'ema');
  const made = await allocate(device, { sizes: names.map(() => space.bytes), places: new Map() });
  if (!made) {
    throw new Untrainable(
      `${megabytes(names.length * space.bytes)} of weights and what goes with each: the GPU's memory is too small`,
    );
  }
  const buffers: Partial<Record<BufferName, GPUBuffer>> = Object.fromEntries(
    names.map((name, i) => [name, made[i]!]),
  );
  const pipelines = new Pipelines(device);
  const transfer = new Transfer(device, guard);
  const { reached } = one.training.recording;
  const optimizer = await makeOptimizer(device, space.chunks(reached), buffers, pipelines);

  const planner = new Planner({ device, pipelines, buffers, keptBytes, guard });
  const training: Kind = { name: 'training', draw: drawTraining, most: Number.POSITIVE_INFINITY };
  const answering: Kind = { name: 'answers', draw: drawAnswer, most: MOST_ANSWERED };

  let disposed = false;
  let last: Promise<unknown> = Promise.resolve();
  /** One thing at a time: a backward pass reads what the forward pass left. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const ended = last.then(() => {
      if (disposed) throw new UserError('the training engine was disposed of');
      return work();
    });
    last = ended.catch(() => {});
    return ended;
  };
  const submit = (fill: (encoder: GPUCommandEncoder) => void) => {
    const encoder = device.createCommandEncoder();
    fill(encoder);
    device.queue.submit([encoder.finish()]);
  };
  const imageSize = sizeOf(inputShape);
  const checkImages = (images: Float32Array, batch: number) => {
    if (Number.isInteger(batch) && batch > 0 && images.length === batch * imageSize) return;
    throw new UserError(
      `the training engine takes [batch, ${inputShape.join(', ')}] numbers, got ${images.length} for a batch of ${batch}`,
    );
  };
  /** Sends a forward pass off; gives the rows of its output. */
  const runForward = ({ recording, plan }: Planned, images: Float32Array, count: number) => {
    const { output } = recording;
    const bytes = count * output.operand.stride;
    const reader = transfer.reader(bytes);
    const staging = transfer.stage(images);
    submit((encoder) => {
      encoder.copyBufferToBuffer(staging, 0, plan.bufferOf(recording.images), 0, images.byteLength);
      encode(encoder, plan.dispatches[0]!);
      encoder.copyBufferToBuffer(plan.bufferOf(output.operand), 0, reader, 0, bytes);
    });
    transfer.unstage(staging);
    return transfer
      .read(reader)
      .then((rows) => changeStride(rows, output.operand.stride / 4, output.width, output.width));
  };

  const gradientsOf = async (given: GradientBatch, first: number, planned: Planned, count: number) => {
    const { recording, plan } = planned;
    for (const [i, { factors }] of recording.dropPaths.entries()) {
      const values = Float32Array.from(given.dropPath[i]!.subarray(first, first + count));
      device.queue.writeBuffer(plan.bufferOf(factors), 0, values);
    }
    const images = given.images.subarray(first * imageSize, (first + count) * imageSize);
    const running = runForward(planned, images, count);
    let rows: Float32Array;
    try {
      if (first === 0) given.meanwhile?.();
    } finally {
      rows = await running;
    }
    const { width } = recording.output;
    const gradient = await given.lossGradient(rows, first, count);
    const { outputGradient } = recording;
    const padded = changeStride(gradient, width, width, outputGradient.stride / 4);
    device.queue.writeBuffer(plan.bufferOf(outputGradient), 0, padded);
    submit((encoder) => {
      if (!given.adds && first === 0) encoder.clearBuffer(buffers.gradients!);
      encode(encoder, plan.dispatches[1]!);
    });
  };

  const placeOf = (buffer: BufferName, name: string): GpuPlace => {
    const found = buffers[buffer];
    if (!found) throw new Error(`the training engine has no buffer ${buffer}`);
    return { buffer: found, offset: space.row(name).offset, bytes: space.size(name) * 4 };
  };

  return {
    description: `own training engine, WebGPU on ${options.name}, float32`,
    width: one.training.recording.output.width,
    answerWidth: one.answer.recording.output.width,
    dropRates: one.training.recording.dropPaths.map(({ rate }) => rate),
    reached,
    async gradients(given) {
      checkImages(given.images, given.batch);
      await inTurn(async () => {
        for (let first = 0; first < given.batch; ) {
          const { count, planned } = await planner.plan(training, given.batch - first);
          await gradientsOf(given, first, planned, count);
          first += count;
        }
      });
    },
    gradientNorm: () =>
      inTurn(async () => {
        const reader = transfer.reader(optimizer.sumBytes);
        submit((encoder) => optimizer.encodeSquares(encoder, reader));
        let sum = 0;
        for (const square of await transfer.read(reader)) sum += square;
        return Math.sqrt(sum);
      }),
    update: (numbers) =>
      inTurn(async () => {
        submit((encoder) => optimizer.encodeUpdate(encoder, numbers));
      }),
    async predict(images, batch) {
      checkImages(images, batch);
      return inTurn(async () => {
        const { width } = one.answer.recording.output;
        const answers = new Float32Array(batch * width);
        for (let first = 0; first < batch; ) {
          const { count, planned } = await planner.plan(answering, batch - first);
          const part = images.subarray(first * imageSize, (first + count) * imageSize);
          answers.set(await runForward(planned, part, count), first * width);
          first += count;
        }
        return answers;
      });
    },
    async read(name, weight) {
      const { buffer, offset, bytes } = placeOf(name, weight);
      const reader = transfer.reader(bytes);
      submit((encoder) => encoder.copyBufferToBuffer(buffer, offset, reader, 0, bytes));
      return transfer.read(reader);
    },
    write(name, weight, values) {
      const { buffer, offset, bytes } = placeOf(name, weight);
      if (values.length * 4 !== bytes) {
        throw new UserError(`${weight}: expected ${bytes / 4} values, got ${values.length}`);
      }
      device.queue.writeBuffer(buffer, offset, values as Float32Array<ArrayBuffer>);
    },
    copy(from, to, weights) {
      submit((encoder) => {
        for (const weight of weights) {
          const source = placeOf(from, weight);
          const target = placeOf(to, weight);
          encoder.copyBufferToBuffer(
            source.buffer,
            source.offset,
            target.buffer,
            target.offset,
            source.bytes,
          );
        }
      });
    },
    placeOf,
    dispose() {
      disposed = true;
      planner.destroy();
      optimizer.destroy();
      transfer.dispose();
      for (const buffer of made) buffer.destroy();
    },
  };
}

/** The first `width` numbers of rows, with other numbers from row to row. */
function changeStride(
  values: Float32Array,
  from: number,
  width: number,
  to: number,
): Float32Array<ArrayBuffer> {
  if (from === to) return values as Float32Array<ArrayBuffer>;
  const rows = values.length / from;
  const moved = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) moved.set(values.subarray(row * from, row * from + width), row * to);
  return moved;
}
