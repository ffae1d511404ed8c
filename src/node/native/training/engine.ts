/** Trains a vision transformer on native TensorFlow, forward, backward and AdamW as graphs; on the CPU or on CUDA. */
import * as tf from '@tensorflow/tfjs-core';
import { checkImages, equalPart, MOST_ANSWERED, Turns } from '../../../engines/wasm/training/batches.js';
import type { BufferName, GradientBatch } from '../../../engines/wasm/training/index.js';
import type { AdamWNumbers } from '../../../engines/wasm/training/space.js';
import { UserError } from '../../../errors.js';
import { sizeOf } from '../../../shape.js';
import type { StepEngine } from '../../../train/stepEngine.js';
import type { VitTraining } from '../../../train/vitEngine.js';
import type { TfjsNode } from '../tfjsNode.js';
import { buildTrainingGraph, FEEDS, FETCHES, UPDATE_NUMBERS } from './graph.js';
import { openSession } from './session.js';

/**
 * Bytes of what a forward pass keeps for the backward pass: larger batches go through in parts, whose gradients are added
 * up. It does not depend on the machine, so that the bits do not.
 */
const KEPT_BYTES = 2e9;

export interface NativeTrainingOptions extends VitTraining {
  readonly tfjsNode: TfjsNode;
  /** In place of KEPT_BYTES; for tests. */
  readonly keptBytes?: number;
  /** Runs tfjs code on TensorFlow's backend. */
  onBackend<T>(run: () => T): T;
}

export async function createNativeTrainingEngine(options: NativeTrainingOptions): Promise<StepEngine> {
  const { tfjsNode, onBackend, inputShape, weights, keptBytes = KEPT_BYTES } = options;
  const graph = buildTrainingGraph(options);
  const session = await openSession(tfjsNode, graph.nodes);
  onBackend(() => tf.dispose(session.run({}, [FETCHES.clear])));
  const shapes = new Map(weights.map(({ name, shape }) => [name, [...shape]]));
  const names = [...shapes.keys()];
  const imageSize = sizeOf(inputShape);
  const most = Math.max(1, Math.floor(keptBytes / graph.keptBytes));
  const turns = new Turns();
  /** What is to be written to buffers before they are next read, and what was read of them since. */
  const pending = new Map<BufferName, Map<string, tf.Tensor>>();
  const known = new Map<BufferName, Map<string, tf.Tensor>>();
  const forget = (held: Map<BufferName, Map<string, tf.Tensor>>, buffer: BufferName) => {
    for (const tensor of held.get(buffer)?.values() ?? []) tensor.dispose();
    held.delete(buffer);
  };

  /** All that a buffer holds, as tensors of this module. */
  const contents = (buffer: BufferName): Map<string, tf.Tensor> => {
    flush(buffer);
    let found = known.get(buffer);
    if (!found) {
      const tensors = session.run(
        {},
        names.map((name) => graph.readNode(buffer, name)),
      );
      found = new Map(names.map((name, i) => [name, tensors[i]!]));
      known.set(buffer, found);
    }
    return found;
  };
  const flush = (buffer: BufferName) => {
    const changed = pending.get(buffer);
    if (!changed) return;
    pending.delete(buffer);
    const whole = changed.size === names.length ? changed : new Map([...contents(buffer), ...changed]);
    const feeds = Object.fromEntries([...whole].map(([name, tensor]) => [graph.writeNode(name), tensor]));
    tf.dispose(session.run(feeds, [graph.writeDone(buffer)]));
    for (const tensor of changed.values()) tensor.dispose();
    forget(known, buffer);
  };
  const put = (buffer: BufferName, name: string, tensor: tf.Tensor) => {
    const changed = pending.get(buffer) ?? new Map<string, tf.Tensor>();
    changed.get(name)?.dispose();
    pending.set(buffer, changed.set(name, tensor));
  };
  /** A run that reads some buffers and changes others. */
  const step = (
    feeds: Record<string, tf.Tensor>,
    fetch: string,
    { reads, changes = [] }: { reads: readonly BufferName[]; changes?: readonly BufferName[] },
  ): tf.Tensor => {
    for (const buffer of [...reads, ...changes]) flush(buffer);
    for (const buffer of changes) forget(known, buffer);
    return session.run(feeds, [fetch])[0]!;
  };
  const floats = (tensor: tf.Tensor): Float32Array => {
    // A copy: the values may be TensorFlow's own memory.
    const values = Float32Array.from(tensor.dataSync<'float32'>());
    tensor.dispose();
    return values;
  };
  const imagesOf = (images: Float32Array, first: number, count: number) =>
    tf.tensor(images.subarray(first * imageSize, (first + count) * imageSize), [count, ...inputShape]);

  const gradientsOf = async (given: GradientBatch, first: number, count: number) => {
    const rows = onBackend(() => {
      const feeds: Record<string, tf.Tensor> = { [FEEDS.images]: imagesOf(given.images, first, count) };
      if (graph.dropRates.length > 0) {
        const factors = given.dropPath.map((all) => Float32Array.from(all.subarray(first, first + count)));
        feeds[FEEDS.dropPath] = tf.tensor2d(factors as unknown as number[][]);
      }
      try {
        return floats(step(feeds, FETCHES.logits, { reads: ['weights'] }));
      } finally {
        tf.dispose(feeds);
      }
    });
    let gradient: Float32Array;
    try {
      if (first === 0) given.meanwhile?.();
      gradient = await given.lossGradient(rows, first, count);
    } catch (error) {
      onBackend(() => tf.dispose(session.run({}, [FETCHES.drop])));
      throw error;
    }
    onBackend(() => {
      const fed = tf.tensor2d(gradient, [count, graph.width]);
      const adds = given.adds || first > 0;
      const done = step({ [FEEDS.gradient]: fed }, adds ? FETCHES.add : FETCHES.store, {
        reads: ['weights'],
        changes: ['gradients'],
      });
      tf.dispose([fed, done]);
    });
  };

  const { binding, isUsingGpuDevice } = tfjsNode.backend();
  return {
    description: `training as graphs, TensorFlow ${binding.TF_Version} on ${isUsingGpuDevice ? 'CUDA' : 'the CPU'}`,
    width: graph.width,
    answerWidth: graph.answerWidth,
    dropRates: graph.dropRates,
    reached: graph.reached,
    async gradients(given) {
      checkImages(inputShape, given.images, given.batch);
      await turns.run(async () => {
        const part = equalPart(given.batch, most);
        for (let first = 0; first < given.batch; first += part) {
          await gradientsOf(given, first, Math.min(part, given.batch - first));
        }
      });
    },
    gradientNorm: () =>
      turns.run(async () =>
        onBackend(() => Math.sqrt(2 * floats(step({}, FETCHES.squares, { reads: ['gradients'] }))[0]!)),
      ),
    update: (numbers) =>
      turns.run(async () =>
        onBackend(() => {
          const fed = tf.tensor1d(updateNumbers(numbers));
          const changes = ['weights', 'mean', 'square', ...(options.ema ? ['ema'] : [])] as BufferName[];
          const done = step({ [FEEDS.numbers]: fed }, FETCHES.update, { reads: ['gradients'], changes });
          tf.dispose([fed, done]);
        }),
      ),
    async predict(images, batch) {
      checkImages(inputShape, images, batch);
      return turns.run(async () =>
        onBackend(() => {
          const answers = new Float32Array(batch * graph.answerWidth);
          const part = equalPart(batch, MOST_ANSWERED);
          for (let first = 0; first < batch; first += part) {
            const fed = imagesOf(images, first, Math.min(part, batch - first));
            const rows = floats(step({ [FEEDS.images]: fed }, FETCHES.answer, { reads: ['weights'] }));
            fed.dispose();
            answers.set(rows, first * graph.answerWidth);
          }
          return answers;
        }),
      );
    },
    read: (buffer, name) =>
      onBackend(() => Float32Array.from(contents(buffer).get(name)!.dataSync<'float32'>())),
    write(buffer, name, values) {
      const shape = shapes.get(name);
      if (!shape) throw new Error(`the model's table of weights has no ${name}`);
      if (values.length !== sizeOf(shape)) {
        throw new UserError(`${name}: expected ${sizeOf(shape)} values, got ${values.length}`);
      }
      onBackend(() => put(buffer, name, tf.tensor(Float32Array.from(values), shape)));
    },
    copy(from, to, copied) {
      onBackend(() => {
        const held = contents(from);
        for (const name of copied) put(to, name, tf.clone(held.get(name)!));
      });
    },
    dispose() {
      turns.end();
      for (const held of [pending, known]) for (const buffer of [...held.keys()]) forget(held, buffer);
      session.dispose();
    },
  };
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
