/** What the variables of a training graph hold, as tensors: written and read a buffer at a time. */
import * as tf from '@tensorflow/tfjs-core';
import type { BufferName } from '../../../engines/wasm/training/index.js';
import type { TrainingGraph } from './graph.js';
import type { GraphSession } from './session.js';

type Tensors = Map<string, tf.Tensor>;

/** A run that feeds or fetches other nodes is planned anew by TensorFlow, so that single weights are not run for. */
export class Buffers {
  /** What is to be written before a buffer is next read. */
  private readonly pending = new Map<BufferName, Tensors>();
  /** What was read of a buffer since it last changed. */
  private readonly known = new Map<BufferName, Tensors>();

  /** @param names of the weights that each buffer has */
  constructor(
    private readonly graph: TrainingGraph,
    private readonly session: GraphSession,
    private readonly names: readonly string[],
  ) {}

  /** What a buffer holds of each weight; the tensors stay this object's. */
  contents(buffer: BufferName): ReadonlyMap<string, tf.Tensor> {
    this.flush(buffer);
    const known = this.known.get(buffer);
    if (known) return known;
    const nodes = this.names.map((name) => this.graph.readNode(buffer, name));
    const tensors = this.session.run({}, nodes);
    const found = new Map(this.names.map((name, i) => [name, tf.keep(tensors[i]!)]));
    this.known.set(buffer, found);
    return found;
  }

  /** @param tensor becomes this object's */
  put(buffer: BufferName, name: string, tensor: tf.Tensor): void {
    const changed = this.pending.get(buffer) ?? new Map<string, tf.Tensor>();
    changed.get(name)?.dispose();
    this.pending.set(buffer, changed.set(name, tf.keep(tensor)));
  }

  /** To be called before a run that reads some buffers and changes others. */
  prepare(reads: readonly BufferName[], changes: readonly BufferName[]): void {
    for (const buffer of [...reads, ...changes]) this.flush(buffer);
    for (const buffer of changes) forget(this.known, buffer);
  }

  dispose(): void {
    for (const held of [this.pending, this.known]) {
      for (const buffer of [...held.keys()]) forget(held, buffer);
    }
  }

  private flush(buffer: BufferName): void {
    const changed = this.pending.get(buffer);
    if (!changed) return;
    this.pending.delete(buffer);
    const rest = changed.size < this.names.length ? this.contents(buffer) : [];
    const feeds = Object.fromEntries(
      [...new Map([...rest, ...changed])].map(([name, tensor]) => [this.graph.writeNode(name), tensor]),
    );
    tf.dispose(this.session.run(feeds, [this.graph.writeDone(buffer)]));
    for (const tensor of changed.values()) tensor.dispose();
    forget(this.known, buffer);
  }
}

function forget(held: Map<BufferName, Tensors>, buffer: BufferName): void {
  for (const tensor of held.get(buffer)?.values() ?? []) tensor.dispose();
  held.delete(buffer);
}
