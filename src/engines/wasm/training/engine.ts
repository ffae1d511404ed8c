/** Trains a model on WebAssembly memory of its own, on several threads: forward, backward, AdamW. */
import { UserError } from '../../../errors.js';
import { sizeOf } from '../../../shape.js';
import { MOST_THREADS } from '../control.js';
import { createMemory } from '../memory.js';
import { type RunnableProgram, type StartWorker, Team } from '../team.js';
import {
  checkImages,
  equalPart,
  givenOperands,
  MOST_ANSWERED,
  passesOf,
  type TrainedModel,
  Turns,
} from './batches.js';
import { compileTraining, instantiateTraining, type MachineOptions, sizesOf } from './module.js';
import { type Plan, planPrograms, type Sizes } from './plan.js';
import { type Operand, type Recording, Untrainable } from './record.js';
import {
  type AdamWNumbers,
  adamWNumbers,
  chunkTable,
  laySpace,
  type OptimizerSteps,
  optimizerSteps,
  type TrainingSpace,
} from './space.js';
import type { BufferName } from './weightSpace.js';

export interface TrainingEngineOptions extends MachineOptions, TrainedModel {
  /** How many threads compute at once. */
  readonly threads: number;
  /** How to start a worker; without it, everything is computed in the calling thread. */
  readonly startWorker?: StartWorker;
}

/** A batch whose gradients are wanted. */
export interface GradientBatch {
  /** float32 [batch, H, W, C], normalised. */
  readonly images: Float32Array;
  readonly batch: number;
  /** For each branch that may be left out, the factor of each image: 0, or 1 / (1 − rate). */
  readonly dropPath: readonly Float32Array[];
  /** Whether the gradients are added to those of the batch before. */
  readonly adds: boolean;
  /** Called once, while the threads are at the first forward pass. */
  meanwhile?(): void;
  /**
   * The gradient of the loss by some rows of the output.
   *
   * @param rows float32 [count, width], those of the images from `first` on
   */
  lossGradient(rows: Float32Array, first: number, count: number): Float32Array | Promise<Float32Array>;
}

export interface TrainingEngine {
  /** What computes, e.g. `own training engine, 256-bit SIMD, 2 threads`. */
  readonly description: string;
  /** Width of a row of what the loss reads. */
  readonly width: number;
  /** Width of a row of what the model answers. */
  readonly answerWidth: number;
  /** How often each branch is left out, in the order of the forward pass; those that may be. */
  readonly dropRates: readonly number[];
  /** The weights that the loss reaches; the others stay as they are. */
  readonly reached: ReadonlySet<string>;
  /** The weights that a backward pass moves on by itself: running statistics of batch norms. */
  readonly running: ReadonlySet<string>;
  /** Forward and backward pass; the gradients lie in the buffer of their name. */
  gradients(batch: GradientBatch): Promise<void>;
  /** Norm of all gradients taken as one vector. */
  gradientNorm(): Promise<number>;
  /** An AdamW step with the gradients, and one of the running mean. */
  update(numbers: AdamWNumbers): Promise<void>;
  /**
   * As at inference.
   *
   * @param images float32 [batch, H, W, C], normalised
   * @returns float32 [batch, answerWidth]
   */
  predict(images: Float32Array, batch: number): Promise<Float32Array>;
  /** A copy of what a buffer holds of a weight, float32 in tfjs' layout. */
  read(buffer: BufferName, name: string): Float32Array;
  write(buffer: BufferName, name: string, values: Float32Array): void;
  /** Copies what one buffer holds of some weights to another. */
  copy(from: BufferName, to: BufferName, names: readonly string[]): void;
  /** Ends the threads and frees the memory. */
  dispose(): void;
}

/**
 * Bytes of what a forward pass keeps for the backward pass: larger batches go through in parts, whose gradients are added
 * up. It does not depend on the machine, so that the bits do not.
 */
const KEPT_BYTES = 512e6;

/** A plan for a number of images. */
interface Planned {
  readonly recording: Recording;
  readonly plan: Plan;
}

/**
 * @throws Untrainable if the forward pass has an operation that this engine has no gradient of, or the model is too large;
 *   UserError if threads is out of range
 */
export async function createTrainingEngine(options: TrainingEngineOptions): Promise<TrainingEngine> {
  const { threads, startWorker, inputShape, trainable, keptBytes = KEPT_BYTES } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new UserError(`threads must be a whole number from 1 to ${MOST_THREADS}, got ${threads}`);
  }
  const threadsInUse = startWorker ? threads : 1;
  const trains = trainable.size > 0;
  const space = laySpace(options.weights, trains ? options.ema : undefined);
  const memory = createMemory(true);
  if (space.end > memory.mostBytes) {
    throw new Untrainable(`${(space.end / 1e9).toFixed(1)} GB of weights and what goes with each`);
  }
  const { module, bits } = await compileTraining(options);
  const kernels = instantiateTraining(module, memory.memory);
  const sizes = sizesOf(kernels);
  const { places, buffers } = space;
  const passes = passesOf(options, places, sizes, trains);
  const one = passes.training(1);
  const optimizing = trains ? planOptimizer(space, one.reached, sizes, threadsInUse) : undefined;
  const programs = optimizing?.end ?? space.end;
  const optimize = () => {
    if (!optimizing) throw new Error('the training engine was opened without weights that learn');
    return optimizing;
  };
  const planOf = (recording: Recording): Planned => {
    const parts = [recording.forward, recording.backward];
    return { recording, plan: planPrograms(parts, givenOperands(recording), sizes, programs, threadsInUse) };
  };
  const trainingPlans = cached((batch) => planOf(passes.training(batch)));
  const answerPlans = cached((batch) => planOf(passes.answer(batch)));
  const most = largestPart(trainingPlans(1).plan.arenaBytes, keptBytes);
  const mostAnswered = Math.min(MOST_ANSWERED, largestPart(answerPlans(1).plan.arenaBytes, keptBytes));
  for (const { plan } of [trainingPlans(1), answerPlans(1)]) {
    if (plan.end > memory.mostBytes) throw new Untrainable('an image of its size');
  }
  memory.reserve(programs);

  const team = new Team({ module, memory, kernels, threads: threadsInUse, startWorker });
  const turns = new Turns();
  /** Runs a program, if a thread dies in it again with those that are left. */
  const run = (program: RunnableProgram, prepare: () => void, collect: () => void = () => {}) =>
    team.run({ program, prepare, collect });
  /** Runs a program that changes what it reads: started again, it would add its gradients or change the weights twice. */
  const runOnce = (program: RunnableProgram, prepare: () => void) => {
    let begun = false;
    return run(program, () => {
      if (begun)
        throw new UserError('a thread of the training engine died in a step: go on from the last checkpoint');
      begun = true;
      prepare();
    });
  };
  const imageSize = sizeOf(inputShape);
  const write = (operand: Operand, plan: Plan, values: Float32Array) =>
    memory.floats(plan.addressOf(operand), values.length).set(values);
  const rowsOf = ({ recording: { output }, plan }: Planned, count: number): Float32Array => {
    const rows = new Float32Array(count * output.width);
    const from = plan.addressOf(output.operand);
    for (let row = 0; row < count; row++) {
      rows.set(memory.floats(from + row * output.operand.stride, output.width), row * output.width);
    }
    return rows;
  };
  const writeRows = ({ recording: { output, outputGradient }, plan }: Planned, rows: Float32Array) => {
    const { width } = output;
    const to = plan.addressOf(outputGradient);
    for (let row = 0; row * width < rows.length; row++) {
      const values = rows.subarray(row * width, (row + 1) * width);
      memory.floats(to + row * outputGradient.stride, width).set(values);
    }
  };

  const gradientsOf = async (given: GradientBatch, first: number, count: number) => {
    const planned = trainingPlans(count);
    const { recording, plan } = planned;
    memory.reserve(plan.end);
    const [forward, backward] = plan.programs as [RunnableProgram, RunnableProgram];
    let rows: Float32Array = new Float32Array();
    const prepare = () => {
      write(recording.images, plan, given.images.subarray(first * imageSize, (first + count) * imageSize));
      for (const [i, { factors }] of recording.dropPaths.entries()) {
        write(factors, plan, given.dropPath[i]!.subarray(first, first + count));
      }
    };
    const running = run(forward, prepare, () => {
      rows = rowsOf(planned, count);
    });
    try {
      if (first === 0) given.meanwhile?.();
    } finally {
      await running;
    }
    const gradient = await given.lossGradient(rows, first, count);
    await runOnce(backward, () => {
      writeRows(planned, gradient);
      const adds = given.adds || first > 0;
      new Int32Array(memory.memory.buffer, places.accumulate, 1)[0] = adds ? 1 : 0;
    });
  };

  const writeChunks = (weightDecay: number) => {
    const { chunks, table } = optimize().steps;
    const words = chunkTable(chunks, weightDecay);
    new Int32Array(memory.memory.buffer, table, words.length).set(words);
  };
  const bufferOf = (buffer: BufferName, name: string) => {
    const from = buffers[buffer];
    if (from === undefined) throw new Error(`the training engine has no buffer ${buffer}`);
    return memory.floats(from + places.space.row(name).offset, places.space.size(name));
  };

  return {
    description: `own training engine, ${bits}-bit SIMD, ${threadsInUse} ${threadsInUse === 1 ? 'thread' : 'threads'}`,
    width: one.output.width,
    answerWidth: answerPlans(1).recording.output.width,
    dropRates: one.dropPaths.map(({ rate }) => rate),
    reached: one.reached,
    running: one.running,
    async gradients(given) {
      checkImages(inputShape, given.images, given.batch);
      await turns.run(async () => {
        if (given.batch > most && one.running.size > 0) {
          throw new UserError(
            `batch norm needs the whole batch at once, and ${given.batch} images are more than the ${most} that the ` +
              'training engine takes at once; lower batchSize (accumulate makes up for it)',
          );
        }
        for (const { first, count } of parts(given.batch, most)) await gradientsOf(given, first, count);
      });
    },
    gradientNorm: () =>
      turns.run(async () => {
        let sum = 0;
        const { steps, squares } = optimize();
        const collect = () => {
          for (const square of memory.floats(steps.sums, steps.chunks.length)) sum += square;
        };
        await run(squares, () => writeChunks(0), collect);
        return Math.sqrt(sum);
      }),
    update: (numbers) =>
      turns.run(() =>
        runOnce(optimize().update, () => {
          writeChunks(numbers.weightDecay);
          memory.floats(optimize().steps.numbers, 16).set(adamWNumbers(numbers));
        }),
      ),
    async predict(images, batch) {
      checkImages(inputShape, images, batch);
      return turns.run(async () => {
        const { width } = answerPlans(1).recording.output;
        const answers = new Float32Array(batch * width);
        for (const { first, count } of parts(batch, mostAnswered)) {
          const planned = answerPlans(count);
          const { recording, plan } = planned;
          memory.reserve(plan.end);
          const part = images.subarray(first * imageSize, (first + count) * imageSize);
          await run(
            plan.programs[0]!,
            () => write(recording.images, plan, part),
            () => answers.set(rowsOf(planned, count), first * width),
          );
        }
        return answers;
      });
    },
    read: (buffer, name) => bufferOf(buffer, name).slice(),
    write(buffer, name, values) {
      const to = bufferOf(buffer, name);
      if (values.length !== to.length) {
        throw new UserError(`${name}: expected ${to.length} values, got ${values.length}`);
      }
      to.set(values);
    },
    copy(from, to, names) {
      for (const name of names) bufferOf(to, name).set(bufferOf(from, name));
    },
    dispose() {
      turns.end();
      team.dispose();
    },
  };
}

/** The programs of the norm and of AdamW, each over flat buffers. */
function planOptimizer(
  space: TrainingSpace,
  reached: ReadonlySet<string>,
  sizes: Sizes,
  threads: number,
): { steps: OptimizerSteps; squares: RunnableProgram; update: RunnableProgram; end: number } {
  const steps = optimizerSteps(space, reached);
  const { programs, end } = planPrograms([[steps.squares], [steps.update]], [], sizes, steps.end, threads);
  const [squares, update] = programs as [RunnableProgram, RunnableProgram];
  return { steps, squares, update, end };
}

/** How many images go through at once. */
function largestPart(bytesOfOne: number, bytes: number): number {
  return Math.max(1, Math.floor(bytes / bytesOfOne));
}

/** A batch in parts of at most `most` images, as equal as they can be. */
function* parts(batch: number, most: number): Generator<{ first: number; count: number }> {
  const size = equalPart(batch, most);
  for (let first = 0; first < batch; first += size) yield { first, count: Math.min(size, batch - first) };
}

function cached<T>(make: (batch: number) => T): (batch: number) => T {
  const made = new Map<number, T>();
  return (batch) => {
    const known = made.get(batch);
    if (known) return known;
    const value = make(batch);
    made.set(batch, value);
    return value;
  };
}
