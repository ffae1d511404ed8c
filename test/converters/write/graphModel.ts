import { toJson } from '@bufbuild/protobuf';
import * as tf from '@tensorflow/tfjs';
import {
  DataType,
  type GraphDef,
  GraphDefSchema,
} from '../../../converters/write/savedModel/tensorflow_pb.js';
import type { OutputSink } from '../../../converters/write/sink.js';

/** Keeps what is written. */
export class MemorySink implements OutputSink {
  readonly files = new Map<string, Buffer>();
  /** Largest part that was handed over at once. */
  largestChunk = 0;

  async write(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) {
      parts.push(chunk.slice());
      this.largestChunk = Math.max(this.largestChunk, chunk.length);
    }
    this.files.set(path, Buffer.concat(parts));
  }
}

/** Runs a TensorFlow graph by tfjs' own executor of TensorFlow graphs, tf.GraphModel. */
export async function runGraph(graph: GraphDef, x: tf.Tensor4D): Promise<tf.Tensor2D> {
  const constants = graph.node
    .filter((node) => node.op === 'Const')
    .map((node) => {
      const value = node.attr.value!.value;
      if (value.case !== 'tensor') throw new Error(`${node.name} has no value`);
      return { name: node.name, tensor: value.value };
    });
  const model = await tf.loadGraphModel(
    tf.io.fromMemory({
      modelTopology: toJson(GraphDefSchema, graph) as object,
      weightSpecs: constants.map(({ name, tensor }) => ({
        name,
        shape: tensor.tensorShape!.dim.map((dim) => Number(dim.size)),
        dtype: tensor.dtype === DataType.DT_FLOAT ? 'float32' : 'int32',
      })),
      weightData: new Uint8Array(Buffer.concat(constants.map(({ tensor }) => tensor.tensorContent))).buffer,
    }),
  );
  try {
    return model.predict({ images: x }) as tf.Tensor2D;
  } finally {
    model.dispose();
  }
}
