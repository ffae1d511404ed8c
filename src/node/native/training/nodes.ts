/** TensorFlow's operations that the training graph is made of, each a method that gives the name of its result. */
import {
  besideNode,
  bool,
  floatType,
  type GraphBuilder,
  int,
  intType,
  shape,
  string,
  types,
} from '../../../../converters/write/savedModel/graphBuilder.js';

const T = floatType;
const REDUCE = { T, Tidx: intType };

/** All are float32. A name may have `:i` behind it, the i-th output of a node. */
export class Nodes {
  /** What stands before the names of new nodes. */
  scope = '';
  private readonly constants = new Map<string, string>();

  constructor(readonly g: GraphBuilder) {}

  op(op: string, input: readonly string[], attr: Parameters<GraphBuilder['op']>[3] = { T }): string {
    return this.g.op(op, `${this.scope}${op}`, [...input], attr);
  }

  scalar(value: number): string {
    return this.constant(`scalar ${value}`, () => this.g.scalar('scalar', value));
  }

  ints(values: readonly number[], dims?: readonly number[]): string {
    return this.constant(`ints ${values} ${dims}`, () => this.g.ints('ints', values, dims));
  }

  matMul(a: string, b: string, transpose: { readonly a?: boolean; readonly b?: boolean } = {}): string {
    const attr = { T, transpose_a: bool(transpose.a === true), transpose_b: bool(transpose.b === true) };
    return this.op('MatMul', [a, b], attr);
  }

  batchMatMul(a: string, b: string, transpose: { readonly a?: boolean; readonly b?: boolean } = {}): string {
    const attr = { T, adj_x: bool(transpose.a === true), adj_y: bool(transpose.b === true) };
    return this.op('BatchMatMulV2', [a, b], attr);
  }

  biasAdd(x: string, bias: string): string {
    return this.op('BiasAdd', [x, bias], { T, data_format: string('NHWC') });
  }

  /** Sums over all axes but the last. */
  columnSums(x: string): string {
    return this.op('BiasAddGrad', [x], { T, data_format: string('NHWC') });
  }

  add(a: string, b: string): string {
    return this.op('AddV2', [a, b]);
  }

  sub(a: string, b: string): string {
    return this.op('Sub', [a, b]);
  }

  mul(a: string, b: string): string {
    return this.op('Mul', [a, b]);
  }

  times(a: string, factor: number): string {
    return this.mul(a, this.scalar(factor));
  }

  /** The sum of values of one shape. */
  sumOf(parts: readonly string[]): string {
    const [first, second] = parts as [string, string | undefined];
    if (second === undefined) return first;
    return parts.length === 2 ? this.add(first, second) : this.op('AddN', parts, { T, N: int(parts.length) });
  }

  sum(x: string, axis: number, keepDims = false): string {
    return this.op('Sum', [x, this.ints([axis])], { ...REDUCE, keep_dims: bool(keepDims) });
  }

  mean(x: string, axis: number, keepDims = false): string {
    return this.op('Mean', [x, this.ints([axis])], { ...REDUCE, keep_dims: bool(keepDims) });
  }

  reshape(x: string, dims: readonly number[]): string {
    return this.op('Reshape', [x, this.ints(dims)], { T, Tshape: intType });
  }

  transpose(x: string, axes: readonly number[]): string {
    return this.op('Transpose', [x, this.ints(axes)], { T, Tperm: intType });
  }

  /** Part of x; a size of −1 is all that is left. */
  slice(x: string, begin: readonly number[], size: readonly number[]): string {
    return this.op('Slice', [x, this.ints(begin), this.ints(size)], { T, Index: intType });
  }

  /** @param paddings zeros before and after, by axis */
  pad(x: string, paddings: readonly (readonly [number, number])[]): string {
    if (paddings.flat().every((count) => count === 0)) return x;
    const node = this.ints(paddings.flat(), [paddings.length, 2]);
    return this.op('Pad', [x, node], { T, Tpaddings: intType });
  }

  concat(parts: readonly string[], axis: number): string {
    if (parts.length === 1) return parts[0]!;
    const attr = { T, Tidx: intType, N: int(parts.length) };
    return this.op('ConcatV2', [...parts, this.ints([axis], [])], attr);
  }

  /** Values of one shape behind each other along a new first axis. */
  pack(parts: readonly string[]): string {
    return this.op('Pack', parts, { T, N: int(parts.length), axis: int(0) });
  }

  /** The parts of x along its first axis. */
  unpack(x: string, count: number): string[] {
    const node = this.op('Unpack', [x], { T, num: int(count), axis: int(0) });
    return outputsOf(node, count);
  }

  placeholder(name: string, dims: readonly number[]): string {
    return this.g.op('Placeholder', name, [], { dtype: T, shape: shape(dims) });
  }

  /** Puts values aside for a later run, which `unstage` gives them, in order; nothing is copied. */
  stage(store: string, values: readonly string[]): string {
    return this.g.op('Stage', putName(store), [...values], storeAttr(store, values.length));
  }

  unstage(store: string, count: number): string[] {
    return outputsOf(this.g.op('Unstage', `${store}/take`, [], besideStage(store, count)), count);
  }

  /** Drops what was put aside. */
  clearStage(store: string, count: number): string {
    return this.g.op('StageClear', `${store}/clear`, [], besideStage(store, count));
  }

  private constant(key: string, make: () => string): string {
    const known = this.constants.get(key) ?? make();
    this.constants.set(key, known);
    return known;
  }
}

const putName = (store: string) => `${store}/put`;

/** A store is a device's: on another one it would be waited for without end. */
function besideStage(store: string, count: number) {
  return { ...storeAttr(store, count), _class: besideNode(putName(store)) };
}

function storeAttr(store: string, count: number) {
  return {
    capacity: int(0),
    memory_limit: int(0),
    container: string(''),
    shared_name: string(store),
    dtypes: types(count),
  };
}

function outputsOf(node: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? node : `${node}:${i}`));
}
