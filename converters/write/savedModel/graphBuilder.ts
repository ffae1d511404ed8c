import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type AttrValueSchema,
  DataType,
  type NodeDef,
  NodeDefSchema,
  TensorProtoSchema,
} from './tensorflow_pb.js';

/** A node of a graph. A weight's values are left out of `def` and loaded when they are written. */
export interface GraphNode {
  readonly def: NodeDef;
  readonly weight?: Weight;
}

/** The values of a float32 constant: its shape is known at once, its values are loaded when needed. */
export interface Weight {
  readonly shape: readonly number[];
  load(): Promise<Float32Array>;
}

type Attr = MessageInitShape<typeof AttrValueSchema>;

export const floatType: Attr = { value: { case: 'type', value: DataType.DT_FLOAT } };
export const intType: Attr = { value: { case: 'type', value: DataType.DT_INT32 } };
export const bool = (value: boolean): Attr => ({ value: { case: 'b', value } });
export const int = (value: number): Attr => ({ value: { case: 'i', value: BigInt(value) } });
export const string = (text: string): Attr => ({
  value: { case: 's', value: new TextEncoder().encode(text) },
});
export const ints = (values: readonly number[]): Attr => ({
  value: { case: 'list', value: { i: values.map(BigInt) } },
});
export const shape = (dims: readonly number[]): Attr => ({
  value: { case: 'shape', value: tensorShape(dims) },
});

/** TensorFlow's TensorShapeProto; -1 is a dimension that is free. */
export function tensorShape(dims: readonly number[]) {
  return { dim: dims.map((size) => ({ size: BigInt(size) })) };
}

/** Collects the nodes of a TensorFlow graph. Each method adds one node and gives its name. */
export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly #names = new Set<string>();

  /** Adds a node; a name that is taken gets a number behind it. */
  op(op: string, name: string, input: string[], attr: Record<string, Attr> = { T: floatType }): string {
    const unique = this.#uniqueName(name);
    this.nodes.push({ def: create(NodeDefSchema, { name: unique, op, input, attr }) });
    return unique;
  }

  /** A float32 constant whose values are loaded when the graph is written. */
  weight(name: string, weight: Weight): string {
    const unique = this.#uniqueName(name);
    const def = create(NodeDefSchema, { name: unique, op: 'Const', attr: { dtype: floatType } });
    this.nodes.push({ def, weight });
    return unique;
  }

  /** A float32 scalar. */
  scalar(name: string, value: number): string {
    return this.#constant(name, DataType.DT_FLOAT, [], new Float32Array([value]));
  }

  /** An int32 constant, a vector unless `dims` says otherwise. */
  ints(name: string, values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant(name, DataType.DT_INT32, dims, new Int32Array(values));
  }

  #constant(
    name: string,
    dtype: DataType,
    dims: readonly number[],
    values: Float32Array | Int32Array,
  ): string {
    const tensor = create(TensorProtoSchema, {
      dtype,
      tensorShape: tensorShape(dims),
      tensorContent: new Uint8Array(values.buffer),
    });
    return this.op('Const', name, [], {
      dtype: { value: { case: 'type', value: dtype } },
      value: { value: { case: 'tensor', value: tensor } },
    });
  }

  #uniqueName(name: string): string {
    let unique = name;
    for (let i = 1; this.#names.has(unique); i++) unique = `${name}_${i}`;
    this.#names.add(unique);
    return unique;
  }
}
