/** Trains a model on a WebGPU device: weights, gradients, means and activations stay in its memory. */
import { UserError } from '../../../errors.js';
import { sizeOf } from '../../../shape.js';
import {
  checkImages,
  givenOperands,
  MOST_ANSWERED,
  passesOf,
  type TrainedModel,
  Turns,
} from '../../wasm/training/batches.js';
import type { GradientBatch, TrainingEngine } from '../../wasm/training/engine.js';
import { type Recording, Untrainable } from '../../wasm/training/record.js';
import { BUFFERS, type BufferName } from '../../wasm/training/weightSpace.js';
import { attentionMemory } from '../attentionKernel.js';
import { Pipelines } from '../pipelines.js';
import { encode } from '../plan.js';
import { type Guard, Transfer } from '../transfer.js';
import { emit, SHAPE } from './emit.js';
import { makeOptimizer } from './optimizer.js';
import { allocate, layOut } from './plan.js';
import { type Drawn, isBound, kindOf, mostBound, type Planned, Planner } from './planner.js';
import { laySpace } from './space.js';

export interface WebgpuTrainingOptions extends TrainedModel {
  readonly device: GPUDevice;
  /** The device's name, for the description. */
  readonly name: string;
  readonly guard?: Guard;
}

/** Where a weight, or what goes with it, lies on the device. */
export interface GpuPlace {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** As the training engine on WASM, but reads are asynchronous. */
export interface WebgpuTrainingEngine extends Omit<TrainingEngine, 'read' | 'running'> {
  read(buffer: BufferName, name: string): Promise<Float32Array>;
  /** Copied from and to at any time between the steps. */
  placeOf(buffer: BufferName, name: string): GpuPlace;
}

/**
 * Bytes of what goes through at once: larger batches go in parts, whose gradients are added up. A device that has less is
 * asked for less.
 */
const KEPT_BYTES = 2e9;

/**
 * @throws Untrainable if the forward pass has an operation that this engine has no gradient of, or the model is too large
 *   for the device
 */
export async function createWebgpuTrainingEngine(
  options: WebgpuTrainingOptions,
): Promise<WebgpuTrainingEngine> {
  const { device, inputShape, keptBytes = KEPT_BYTES } = options;
  const guard: Guard = options.guard ?? ((promise) => promise);
  const { space, places } = laySpace(options.weights);
  const { maxBufferSize, maxComputeWorkgroupStorageSize } = device.limits;
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
  if (space.bytes > maxBufferSize) {
    throw new Untrainable(
      `${megabytes(space.bytes)} of weights, where a buffer of this GPU has at most ${megabytes(maxBufferSize)}`,
    );
  }
  const passes = passesOf(options, places, SHAPE);
  const draw =
    (pass: (batch: number) => Recording) =>
    (batch: number): Drawn => {
      const recording = pass(batch);
      const programs = emit([recording.forward, recording.backward], batch);
      return { recording, programs, layout: layOut(programs, givenOperands(recording)) };
    };
  const training = kindOf('training', draw(passes.training), Number.POSITIVE_INFINITY);
  const answering = kindOf('answers', draw(passes.answer), MOST_ANSWERED);
  const one = { training: training.one, answer: answering.one };
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

  const turns = new Turns();
  const submit = (fill: (encoder: GPUCommandEncoder) => void) => {
    const encoder = device.createCommandEncoder();
    fill(encoder);
    device.queue.submit([encoder.finish()]);
  };
  const imageSize = sizeOf(inputShape);
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
      checkImages(inputShape, given.images, given.batch);
      await turns.run(async () => {
        for (let first = 0; first < given.batch; ) {
          const { count, planned } = await planner.plan(training, given.batch - first);
          await gradientsOf(given, first, planned, count);
          first += count;
        }
      });
    },
    gradientNorm: () =>
      turns.run(async () => {
        const reader = transfer.reader(optimizer.sumBytes);
        submit((encoder) => optimizer.encodeSquares(encoder, reader));
        let sum = 0;
        for (const square of await transfer.read(reader)) sum += square;
        return Math.sqrt(sum);
      }),
    update: (numbers) =>
      turns.run(async () => {
        submit((encoder) => optimizer.encodeUpdate(encoder, numbers));
      }),
    async predict(images, batch) {
      checkImages(inputShape, images, batch);
      return turns.run(async () => {
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
      turns.end();
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
