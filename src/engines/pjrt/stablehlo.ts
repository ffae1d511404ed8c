/**
 * StableHLO programs as text (openxla/stablehlo, docs/spec.md): each method adds an operation and gives its result.
 */

/** Element types: float32, bfloat16, float16. */
export type ElementType = 'f32' | 'bf16' | 'f16';

/** A result of an operation: its name in the text, shape and element type. */
export interface Hlo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: ElementType;
}

/** How products of float32 are computed: exactly, or as the device does fastest (tf32 on NVIDIA's cards). */
export type Precision = 'HIGHEST' | 'DEFAULT';

export type Axes3 = readonly [number, number, number];
export type Axes4 = readonly [number, number, number, number];

/** T of [B, T, …]. */
export const tokensOf = ({ shape }: Hlo) => shape[1]!;

type Binary = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum';
type Unary = 'rsqrt' | 'exponential' | 'tanh' | 'logistic' | 'negate';

/** MLIR's text of a tensor's type. */
function tensorType(shape: readonly number[], type: ElementType): string {
  return `tensor<${[...shape, type].join('x')}>`;
}

const typeOf = ({ shape, type }: Hlo) => tensorType(shape, type);

/**
 * What XLA's custom call of cuDNN's attention is told (xla/service/gpu/backend_configs.proto, CudnnfMHABackendConfig, as
 * JAX writes it): shape [B, heads, Tq, T] of the scores, which axes are multiplied, no mask, no dropout.
 */
function cudnnConfig(type: ElementType, scores: readonly number[], scale: number): string {
  const texts = (values: readonly number[]) => values.map(String);
  const axes = (contracting: readonly [number, number], left: readonly number[]) => ({
    lhs_contracting_dimensions: texts([contracting[0]]),
    rhs_contracting_dimensions: texts([contracting[1]]),
    lhs_batch_dimensions: texts(left),
    rhs_batch_dimensions: texts([0, 2]),
  });
  return JSON.stringify({
    operation_queue_id: '0',
    cudnn_fmha_backend_config: {
      algorithm: {
        algo_id: '0',
        math_type: 'TENSOR_OP_MATH',
        tuning_knobs: { '17': '1', '24': '0' },
        is_cudnn_frontend: true,
        workspace_size: '0',
      },
      fmha_scale: scale,
      intermediate_tensor_shape: {
        element_type: type.toUpperCase(),
        dimensions: texts(scores),
        tuple_shapes: [],
        layout: { minor_to_major: texts([3, 2, 1, 0]) },
        is_dynamic_dimension: [false, false, false, false],
      },
      is_flash_attention: true,
      mask_type: 'NO_MASK',
      bmm1_dot_dimension_numbers: axes([3, 3], [0, 2]),
      bmm2_dot_dimension_numbers: axes([3, 1], [0, 1]),
      dropout_rate: 0,
      seed: 42,
      sliding_window_length: 0,
      max_seg_per_batch: 1,
      is_paged_attention: false,
    },
  });
}

/** MLIR takes a float only with a point; −∞ is written by its bits. */
function literal(value: number): string {
  if (value === Number.NEGATIVE_INFINITY) return '0xFF800000';
  return value.toExponential().replace(/^(-?\d+)e/, '$1.0e');
}

/** Writes one function, @main. */
export class HloWriter {
  private readonly lines: string[] = [];
  private readonly args: Hlo[] = [];
  private count = 0;

  constructor(private readonly precision: Precision) {}

  /** The next argument of the function. */
  argument(shape: readonly number[], type: ElementType): Hlo {
    const argument = { name: `%arg${this.args.length}`, shape, type };
    this.args.push(argument);
    return argument;
  }

  /** The whole program, which returns one value. */
  module(result: Hlo): string {
    const args = this.args.map((argument) => `${argument.name}: ${typeOf(argument)}`).join(', ');
    return [
      'module @deit {',
      `  func.func public @main(${args}) -> ${typeOf(result)} {`,
      ...this.lines,
      `    return ${result.name} : ${typeOf(result)}`,
      '  }',
      '}',
      '',
    ].join('\n');
  }

  private emit(shape: readonly number[], type: ElementType, text: (out: string) => string): Hlo {
    const out = { name: `%v${this.count++}`, shape, type };
    this.lines.push(`    ${out.name} = ${text(typeOf(out))}`);
    return out;
  }

  convert(x: Hlo, type: ElementType): Hlo {
    if (x.type === type) return x;
    return this.emit(x.shape, type, (out) => `stablehlo.convert ${x.name} : (${typeOf(x)}) -> ${out}`);
  }

  reshape(x: Hlo, shape: readonly number[]): Hlo {
    if (String(shape) === String(x.shape)) return x;
    return this.emit(shape, x.type, (out) => `stablehlo.reshape ${x.name} : (${typeOf(x)}) -> ${out}`);
  }

  transpose(x: Hlo, dims: readonly number[]): Hlo {
    const shape = dims.map((dim) => x.shape[dim]!);
    const text = `stablehlo.transpose ${x.name}, dims = [${dims.join(', ')}] : (${typeOf(x)})`;
    return this.emit(shape, x.type, (out) => `${text} -> ${out}`);
  }

  binary(op: Binary, a: Hlo, b: Hlo): Hlo {
    return this.emit(a.shape, a.type, (out) => `stablehlo.${op} ${a.name}, ${b.name} : ${out}`);
  }

  unary(op: Unary, x: Hlo): Hlo {
    return this.emit(x.shape, x.type, (out) => `stablehlo.${op} ${x.name} : ${out}`);
  }

  erf(x: Hlo): Hlo {
    return this.emit(x.shape, x.type, (out) => `chlo.erf ${x.name} : ${out} -> ${out}`);
  }

  /** Axis i of x becomes axis dims[i] of the result. */
  broadcast(x: Hlo, dims: readonly number[], shape: readonly number[]): Hlo {
    const text = `stablehlo.broadcast_in_dim ${x.name}, dims = [${dims.join(', ')}] : (${typeOf(x)})`;
    return this.emit(shape, x.type, (out) => `${text} -> ${out}`);
  }

  /** x along the last axis of `like`. */
  alongLast(x: Hlo, like: Hlo): Hlo {
    return this.broadcast(this.convert(x, like.type), [like.shape.length - 1], like.shape);
  }

  scalar(value: number, type: ElementType): Hlo {
    return this.emit([], type, (out) => `stablehlo.constant dense<${literal(value)}> : ${out}`);
  }

  /** A constant of x's shape. */
  like(value: number, x: Hlo): Hlo {
    return this.broadcast(this.scalar(value, x.type), [], x.shape);
  }

  times(x: Hlo, factor: number): Hlo {
    return this.binary('multiply', x, this.like(factor, x));
  }

  /** Σ or the largest along one axis, which goes. */
  reduce(op: 'add' | 'maximum', x: Hlo, axis: number): Hlo {
    const shape = x.shape.filter((_, i) => i !== axis);
    const initial = this.scalar(op === 'add' ? 0 : Number.NEGATIVE_INFINITY, x.type);
    const text =
      `stablehlo.reduce(${x.name} init: ${initial.name}) applies stablehlo.${op} across dimensions = [${axis}]` +
      ` : (${typeOf(x)}, ${typeOf(initial)})`;
    return this.emit(shape, x.type, (out) => `${text} -> ${out}`);
  }

  /** x [from, to) of one axis. */
  slice(x: Hlo, axis: number, from: number, to: number): Hlo {
    if (from === 0 && to === x.shape[axis]) return x;
    const ranges = x.shape.map((side, i) => (i === axis ? `${from}:${to}` : `0:${side}`));
    const shape = x.shape.map((side, i) => (i === axis ? to - from : side));
    const text = `stablehlo.slice ${x.name} [${ranges.join(', ')}] : (${typeOf(x)})`;
    return this.emit(shape, x.type, (out) => `${text} -> ${out}`);
  }

  concatenate(parts: readonly Hlo[], axis: number): Hlo {
    const [first, ...more] = parts as readonly [Hlo, ...Hlo[]];
    if (more.length === 0) return first;
    const shape = first.shape.map((side, i) =>
      i === axis ? more.reduce((sum, part) => sum + part.shape[axis]!, side) : side,
    );
    const names = parts.map(({ name }) => name).join(', ');
    const types = parts.map(typeOf).join(', ');
    const text = `stablehlo.concatenate ${names}, dim = ${axis} : (${types})`;
    return this.emit(shape, first.type, (out) => `${text} -> ${out}`);
  }

  /**
   * softmax(q kᵀ · scale) v by cuDNN's fused kernel (FlashAttention), which XLA for CUDA calls by this name:
   * [B, Tq, heads, d], [B, T, heads, d] twice, bfloat16 or float16 → [B, heads, Tq, d].
   */
  cudnnAttention(q: Hlo, k: Hlo, v: Hlo, scale: number): Hlo {
    const [batch, rows, heads, size] = q.shape as Axes4;
    const config = cudnnConfig(q.type, [batch, heads, rows, tokensOf(k)], scale);
    const shape = [batch, heads, rows, size];
    const out = { name: `%v${this.count}#0`, shape, type: q.type };
    const types = [q, k, v].map(typeOf).join(', ');
    const rowMajor = 'dense<[3, 2, 1, 0]> : tensor<4xindex>';
    this.lines.push(
      `    %v${this.count++}:2 = stablehlo.custom_call @__cudnn$fmhaSoftmax(${q.name}, ${k.name}, ${v.name}) ` +
        `{api_version = 2 : i32, backend_config = "${config.replaceAll('"', '\\22')}", ` +
        `operand_layouts = [${rowMajor}, ${rowMajor}, ${rowMajor}], ` +
        'result_layouts = [dense<[3, 1, 2, 0]> : tensor<4xindex>, dense<0> : tensor<1xindex>]} : ' +
        `(${types}) -> (${typeOf(out)}, tensor<0xui8>)`,
    );
    return out;
  }

  /**
   * Sums of products over one axis of each, for every index of the batch axes: [batch, free of a, free of b].
   *
   * @param batch axes of a and of b that go together
   * @param contract axis of a, axis of b
   * @param type of the result, by default a's
   */
  dot(
    a: Hlo,
    b: Hlo,
    contract: readonly [number, number],
    batch: readonly [readonly number[], readonly number[]] = [[], []],
    type: ElementType = a.type,
  ): Hlo {
    const free = (x: Hlo, side: 0 | 1) =>
      x.shape.filter((_, i) => i !== contract[side] && !batch[side].includes(i));
    const shape = [...batch[0].map((i) => a.shape[i]!), ...free(a, 0), ...free(b, 1)];
    const batching =
      batch[0].length > 0 ? `batching_dims = [${batch[0].join(', ')}] x [${batch[1].join(', ')}], ` : '';
    const text =
      `stablehlo.dot_general ${a.name}, ${b.name}, ${batching}contracting_dims = [${contract[0]}] x [${contract[1]}], ` +
      `precision = [${this.precision}, ${this.precision}] : (${typeOf(a)}, ${typeOf(b)})`;
    return this.emit(shape, type, (out) => `${text} -> ${out}`);
  }
}
