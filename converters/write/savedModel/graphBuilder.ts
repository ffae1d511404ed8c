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
/** A list of types: float32, `count` times. */
export const types = (count: number): Attr => ({
  value: { case: 'list', value: { type: Array.from({ length: count }, () => DataType.DT_FLOAT) } },
});
/** Attribute `_class`: on the device of another node. */
export const besideNode = (node: string): Attr => ({
  value: { case: 'list', value: { s: [new TextEncoder().encode(`loc:@${node}`)] } },
});
export const shape = (dims: readonly number[]): Attr => ({
  value: { case: 'shape', value: tensorShape(dims) },
});

/** TensorFlow's TensorShapeProto; -1 is a dimension that is free. */
export function tensorShape(dims: readonly number[]) {
  return { dim: dims.map((size) => ({ size: BigInt(size) })) };
}

/** A weight of a graph that is written without values: fed to `input`, it is stored when `assign` runs. */
export interface Assignment {
  readonly weight: Weight;
  readonly input: string;
  readonly assign: string;
}

/** Collects the nodes of a TensorFlow graph. Each method adds what it names and gives the name of the result. */
export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  /** How each weight gets its values, by its name; empty where weights are constants. */
  readonly assignments = new Map<string, Assignment>();
  readonly #names = new Set<string>();

  /** @param weights `constants` have their values in the graph, `variables` are assigned once it is loaded. */
  constructor(readonly weights: 'constants' | 'variables' = 'constants') {}

  /** Adds a node; a name that is taken gets a number behind it. */
  op(op: string, name: string, input: string[], attr: Record<string, Attr> = { T: floatType }): string {
    const unique = this.#uniqueName(name);
    this.nodes.push({ def: create(NodeDefSchema, { name: unique, op, input, attr }) });
    return unique;
  }

  /** A float32 weight; the values of a constant are loaded when the graph is written. */
  weight(name: string, weight: Weight): string {
    if (this.weights === 'variables') return this.#variable(name, weight);
    const unique = this.#uniqueName(name);
    const def = create(NodeDefSchema, { name: unique, op: 'Const', attr: { dtype: floatType } });
    this.nodes.push({ def, weight });
    return unique;
  }

  /** A float32 scalar. */
  scalar(name: string, value: number): string {
    return this.#constant(name, DataType.DT_FLOAT, [], new Float32Array([value]));
  }

  /** A float32 scalar that can be fetched, given once the nodes `before` have run. */
  done(name: string, before: readonly string[]): string {
    return this.#constant(
      name,
      DataType.DT_FLOAT,
      [],
      new Float32Array([1]),
      before.map((node) => `^${node}`),
    );
  }

  /** An int32 constant, a vector unless `dims` says otherwise. */
  ints(name: string, values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant(name, DataType.DT_INT32, dims, new Int32Array(values));
  }

  #variable(name: string, weight: Weight): string {
    const dtype = floatType;
    const dims = shape(weight.shape);
    const handle = this.op('VarHandleOp', `${name}/handle`, [], {
      dtype,
      shape: dims,
      shared_name: string(name),
    });
    const input = this.op('Placeholder', `${name}/value`, [], { dtype, shape: dims });
    const assign = this.op('AssignVariableOp', `${name}/assign`, [handle, input], { dtype });
    this.assignments.set(name, { weight, input, assign });
    return this.op('ReadVariableOp', name, [handle], { dtype });
  }

  #constant(
    name: string,
    dtype: DataType,
    dims: readonly number[],
    values: Float32Array | Int32Array,
    input: string[] = [],
  ): string {
    const tensor = create(TensorProtoSchema, {
      dtype,
      tensorShape: tensorShape(dims),
      tensorContent: new Uint8Array(values.buffer),
    });
    return this.op('Const', name, input, {
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
