/** Trains a vision transformer on native TensorFlow, forward, backward and AdamW as graphs; on the CPU or on CUDA. */
import * as tf from '@tensorflow/tfjs-core';
import { checkImages, equalPart, MOST_ANSWERED, Turns } from '../../../engines/wasm/training/batches.js';
import { type BufferName, type GradientBatch, Untrainable } from '../../../engines/wasm/training/index.js';
import type { AdamWNumbers } from '../../../engines/wasm/training/space.js';
import { UserError } from '../../../errors.js';
import { sizeOf } from '../../../shape.js';
import type { StepEngine } from '../../../train/stepEngine.js';
import type { VitTraining } from '../../../train/vitEngine.js';
import type { TfjsNode } from '../tfjsNode.js';
import { Buffers } from './buffers.js';
import { buildTrainingGraph, FEEDS, FETCHES, type TrainingGraph, UPDATE_NUMBERS } from './graph.js';
import { type GraphSession, openSession } from './session.js';

/**
 * Bytes of what a forward pass keeps for the backward pass: larger batches go through in parts, whose gradients are added
 * up. It does not depend on the machine, so that the bits do not. On a CPU larger parts take longer an image, smaller
 * ones of a large model too (bench/RESULTS.md); a GPU wants more at once.
 */
const KEPT_BYTES = { cpu: 1e9, cuda: 2e9 };

export interface NativeTrainingOptions extends VitTraining {
  readonly tfjsNode: TfjsNode;
  /** In place of KEPT_BYTES, for tests. */
  readonly keptBytes?: number;
  /** Runs tfjs code on TensorFlow's backend. */
  onBackend<T>(run: () => T): T;
}

/**
 * @throws Untrainable if the forward pass has an operation that has no gradient here, or TensorFlow cannot run a step of
 *   one image
 */
export async function createNativeTrainingEngine(options: NativeTrainingOptions): Promise<StepEngine> {
  const graph = buildTrainingGraph(options);
  const session = await openSession(options.tfjsNode, graph.nodes);
  try {
    const engine = new NativeTraining(options, graph, session);
    await tryStep(engine, sizeOf(options.inputShape));
    return engine;
  } catch (error) {
    session.dispose();
    const [line] = (error as Error).message.split('\n');
    throw new Untrainable(`a step of one image: TensorFlow says "${line}"`, { cause: error });
  }
}

/** A device that lacks an operation says so when it is first run; the plans that TensorFlow makes then serve later. */
async function tryStep(engine: StepEngine, imageSize: number): Promise<void> {
  await engine.gradients({
    images: new Float32Array(imageSize),
    batch: 1,
    dropPath: engine.dropRates.map(() => Float32Array.of(1)),
    adds: false,
    lossGradient: (rows) => new Float32Array(rows.length),
  });
}

class NativeTraining implements StepEngine {
  readonly description: string;
  readonly width: number;
  readonly answerWidth: number;
  readonly dropRates: readonly number[];
  readonly reached: ReadonlySet<string>;
  private readonly shapes: ReadonlyMap<string, number[]>;
  private readonly buffers: Buffers;
  private readonly turns = new Turns();

  constructor(
    private readonly options: NativeTrainingOptions,
    private readonly graph: TrainingGraph,
    private readonly session: GraphSession,
  ) {
    const { binding, isUsingGpuDevice } = options.tfjsNode.backend();
    const device = isUsingGpuDevice ? 'CUDA' : 'the CPU';
    this.description = `training as graphs, TensorFlow ${binding.TF_Version} on ${device}`;
    this.width = graph.width;
    this.answerWidth = graph.answerWidth;
    this.dropRates = graph.dropRates;
    this.reached = graph.reached;
    this.shapes = new Map(options.weights.map(({ name, shape }) => [name, [...shape]]));
    this.buffers = new Buffers(graph, session, [...this.shapes.keys()]);
    options.onBackend(() => tf.dispose(session.run({}, [FETCHES.clear])));
  }

  async gradients(given: GradientBatch): Promise<void> {
    const { inputShape, tfjsNode } = this.options;
    const device = tfjsNode.backend().isUsingGpuDevice ? 'cuda' : 'cpu';
    const { keptBytes = KEPT_BYTES[device] } = this.options;
    checkImages(inputShape, given.images, given.batch);
    const most = Math.max(1, Math.floor(keptBytes / this.graph.keptBytes));
    const part = equalPart(given.batch, most);
    await this.turns.run(async () => {
      for (let first = 0; first < given.batch; first += part) {
        await this.partGradients(given, first, Math.min(part, given.batch - first));
      }
    });
  }

  private async partGradients(given: GradientBatch, first: number, count: number): Promise<void> {
    const { options, session, width } = this;
    const rows = options.onBackend(() => this.forward(given, first, count));
    let gradient: Float32Array;
    try {
      if (first === 0) given.meanwhile?.();
      gradient = await given.lossGradient(rows, first, count);
    } catch (error) {
      // What the forward pass kept would be taken by the next backward pass.
      options.onBackend(() => tf.dispose(session.run({}, [FETCHES.drop])));
      throw error;
    }
    options.onBackend(() => {
      const fetch = given.adds || first > 0 ? FETCHES.add : FETCHES.store;
      const feeds = { [FEEDS.gradient]: tf.tensor2d(gradient, [count, width]) };
      tf.dispose(this.run(feeds, fetch, ['weights'], ['gradients']));
    });
  }

  private forward(given: GradientBatch, first: number, count: number): Float32Array {
    const feeds: Record<string, tf.Tensor> = { [FEEDS.images]: this.imagesOf(given.images, first, count) };
    if (this.dropRates.length > 0) {
      const factors = given.dropPath.flatMap((all) => [...all.subarray(first, first + count)]);
      feeds[FEEDS.dropPath] = tf.tensor2d(factors, [this.dropRates.length, count]);
    }
    return take(this.run(feeds, FETCHES.logits, ['weights']));
  }

  async gradientNorm(): Promise<number> {
    return this.turns.run(async () => {
      const [half] = this.options.onBackend(() => take(this.run({}, FETCHES.squares, ['gradients'])));
      return Math.sqrt(2 * half!);
    });
  }

  async update(numbers: AdamWNumbers): Promise<void> {
    const changes: BufferName[] = [
      'weights',
      'mean',
      'square',
      ...(this.options.ema ? ['ema' as const] : []),
    ];
    await this.turns.run(async () =>
      this.options.onBackend(() => {
        const feeds = { [FEEDS.numbers]: tf.tensor1d(updateNumbers(numbers)) };
        tf.dispose(this.run(feeds, FETCHES.update, ['gradients'], changes));
      }),
    );
  }

  async predict(images: Float32Array, batch: number): Promise<Float32Array> {
    checkImages(this.options.inputShape, images, batch);
    const answers = new Float32Array(batch * this.answerWidth);
    const part = equalPart(batch, MOST_ANSWERED);
    await this.turns.run(async () => {
      for (let first = 0; first < batch; first += part) {
        const rows = this.options.onBackend(() => {
          const fed = this.imagesOf(images, first, Math.min(part, batch - first));
          return take(this.run({ [FEEDS.images]: fed }, FETCHES.answer, ['weights']));
        });
        answers.set(rows, first * this.answerWidth);
      }
    });
    return answers;
  }

  read(buffer: BufferName, name: string): Float32Array {
    return this.options.onBackend(() => copyOf(this.buffers.contents(buffer).get(name)!));
  }

  write(buffer: BufferName, name: string, values: Float32Array): void {
    const shape = this.shapes.get(name);
    if (!shape) throw new Error(`the model's table of weights has no ${name}`);
    if (values.length !== sizeOf(shape)) {
      throw new UserError(`${name}: expected ${sizeOf(shape)} values, got ${values.length}`);
    }
    this.options.onBackend(() => this.buffers.put(buffer, name, tf.tensor(Float32Array.from(values), shape)));
  }

  copy(from: BufferName, to: BufferName, names: readonly string[]): void {
    this.options.onBackend(() => {
      const held = this.buffers.contents(from);
      for (const name of names) this.buffers.put(to, name, tf.clone(held.get(name)!));
    });
  }

  dispose(): void {
    this.turns.end();
    this.buffers.dispose();
    this.session.dispose();
  }

  private imagesOf(images: Float32Array, first: number, count: number): tf.Tensor {
    const { inputShape } = this.options;
    const size = sizeOf(inputShape);
    return tf.tensor(images.subarray(first * size, (first + count) * size), [count, ...inputShape]);
  }

  /** Runs what one node needs, that reads some buffers and changes others; what is fed is disposed of. */
  private run(
    feeds: Readonly<Record<string, tf.Tensor>>,
    fetch: string,
    reads: readonly BufferName[],
    changes: readonly BufferName[] = [],
  ): tf.Tensor {
    this.buffers.prepare(reads, changes);
    try {
      return this.session.run(feeds, [fetch])[0]!;
    } finally {
      tf.dispose(feeds);
    }
  }
}

/** The values of a tensor, which is disposed of. */
function take(tensor: tf.Tensor): Float32Array {
  const values = copyOf(tensor);
  tensor.dispose();
  return values;
}

/** A copy: what dataSync gives may be TensorFlow's own memory. */
function copyOf(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync<'float32'>());
}

function updateNumbers(given: AdamWNumbers): Float32Array {
  const { learningRate, squareCorrection, meanCorrection, eps, weightDecay, emaDecay } = given;
  const numbers: Record<(typeof UPDATE_NUMBERS)[number], number> = {
    ...given,
    step: (learningRate * squareCorrection) / meanCorrection,
    eps: eps * squareCorrection,
    kept: 1 - learningRate * weightDecay,
    emaRest: 1 - emaDecay,
  };
  return Float32Array.from(UPDATE_NUMBERS.map((name) => numbers[name]));
}
