import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { concatBytes } from '../../../src/concat.js';
import { UserError } from '../../../src/errors.js';
import { sizeOf } from '../../../src/shape.js';
import type { GraphNode, Weight } from './graphBuilder.js';
import { tensorShape } from './graphBuilder.js';
import {
  DataType,
  type MetaGraphDef,
  MetaGraphDefSchema,
  NodeDefSchema,
  SavedModelSchema,
  TensorProtoSchema,
  VersionDefSchema,
} from './tensorflow_pb.js';

/** Protocol buffers, and TensorFlow with them, take no message of 2 GiB or more. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/**
 * Oldest graph version that the ops used here have in this form, and the one they were tested with; TensorFlow 2.0
 * and later read it.
 */
const GRAPH_VERSION = { producer: 1205, minConsumer: 12 };

/** A part of an encoded message: bytes, or bytes with a weight's values behind them. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly weight?: Weight;
}

/**
 * The bytes of a saved_model.pb with one MetaGraph: `metaGraph`, whose graph is made of `nodes`. Every length is
 * known beforehand from the shapes, so that only one weight is held at a time. Throws a UserError if the message
 * would be too large for TensorFlow.
 */
export async function* encodeSavedModel(
  metaGraph: MetaGraphDef,
  nodes: readonly GraphNode[],
): AsyncGenerator<Uint8Array> {
  const graph = nodes.map(encodeNode);
  const versions = toBinary(VersionDefSchema, create(VersionDefSchema, GRAPH_VERSION));
  graph.push({ bytes: field(4, versions) }); // GraphDef.versions
  const graphBytes = graph.reduce((sum, piece) => sum + pieceBytes(piece), 0);
  const graphField = field(2, EMPTY, graphBytes); // MetaGraphDef.graph_def
  const head = field(2, concatBytes([toBinary(MetaGraphDefSchema, metaGraph), graphField]), graphBytes); // SavedModel.meta_graphs
  const schema = toBinary(SavedModelSchema, create(SavedModelSchema, { savedModelSchemaVersion: 1n }));
  if (schema.length + head.length + graphBytes > MAX_MESSAGE_BYTES) {
    throw new UserError(
      `a SavedModel holds at most 2 GiB, and this model's weights take ${(graphBytes / 2 ** 30).toFixed(2)} GiB: ` +
        'convert it to a layers model instead',
    );
  }
  yield schema;
  yield head;
  for (const piece of graph) {
    yield piece.bytes;
    if (piece.weight) yield littleEndian(await piece.weight.load());
  }
}

const EMPTY = new Uint8Array(0);

/** A NodeDef as a field of GraphDef. A weight's values stand at its very end, so that they can follow on their own. */
function encodeNode({ def, weight }: GraphNode): Piece {
  const node = toBinary(NodeDefSchema, def);
  if (!weight) return { bytes: field(1, node) };
  const values = weightBytes(weight);
  const tensor = toBinary(
    TensorProtoSchema,
    create(TensorProtoSchema, { dtype: DataType.DT_FLOAT, tensorShape: tensorShape(weight.shape) }),
  );
  const content = field(4, EMPTY, values); // TensorProto.tensor_content
  const attrValue = field(8, concatBytes([tensor, content]), values); // AttrValue.tensor
  const key = field(1, new TextEncoder().encode('value'));
  const entry = field(5, concatBytes([key, field(2, attrValue, values)]), values); // NodeDef.attr
  return { bytes: field(1, concatBytes([node, entry]), values), weight }; // GraphDef.node
}

/** A length-delimited field: `head`, to be followed by `following` bytes that belong to it as well. */
function field(number: number, head: Uint8Array, following = 0): Uint8Array {
  const writer = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(head.length + following);
  return concatBytes([writer.finish(), head]);
}

function weightBytes(weight: Weight): number {
  return 4 * sizeOf(weight.shape);
}

function pieceBytes({ bytes, weight }: Piece): number {
  return bytes.length + (weight ? weightBytes(weight) : 0);
}

/** The values as TensorFlow stores them: little-endian, as on every machine that runs JavaScript. */
function littleEndian(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
