/** Records a forward pass as compute steps on buffers, for a batch of a given size. */
import { UserError } from '../../errors.js';
import type {
  AttentionOptions,
  LinearOpOptions,
  Ops,
  PrefixTokenSpec,
  ResidualOptions,
  TokensSpec,
} from '../../ops/interface.js';
import { sizeOf } from '../../shape.js';
import { type AttentionShape, attentionKernel, headNormKernel, QUERIES } from './attentionKernel.js';
import { fuseNorms, type StepKind } from './fuseNorms.js';
import { linearKernel } from './linearKernel.js';
import { MATRIX_TILES, matrixKernel } from './matrixKernel.js';
import { chooseTile, type LinearShape, type TileChoice } from './product.js';
import {
  addKernel,
  gateKernel,
  gridFor,
  layerNormKernel,
  meanKernel,
  type PlaceShape,
  patchesKernel,
  placeKernel,
  rowGrid,
} from './rowKernels.js';
import { LINEAR_TILES } from './tiledProduct.js';
import type { Scalar } from './wgsl.js';

/** Memory that steps read and write; which buffer it is in is decided later. */
export interface Slot {
  readonly bytes: number;
}

/** What a forward pass computes with: numbers by rows. */
export interface Value {
  readonly slot: Slot;
  /** [B, T, D], [B, D], or of images [B, H, W, C]. */
  readonly shape: readonly number[];
  readonly type: Scalar;
}

/** A weight that a step reads, as float32 or as it was cast to float16. */
export interface WeightUse {
  readonly name: string;
  readonly type: Scalar;
}

export interface Step {
  /** WGSL. */
  readonly code: string;
  /** In the order of the shader's bindings; the last is written. */
  readonly operands: readonly (Slot | WeightUse)[];
  /** `sizes` of the shader. */
  readonly sizes: readonly number[];
  readonly grid: readonly [number, number, number];
  readonly of?: StepKind;
}

export interface Recording {
  readonly images: Slot;
  readonly output: Value;
  readonly steps: readonly Step[];
}

/** Shapes of the weights by name; undefined if the model has none of this name. */
export type WeightShapes = (name: string) => readonly number[] | undefined;

/** What products of tokens are computed of, and whether by units that multiply whole matrices (see matrixKernel). */
export interface Numbers {
  readonly type: Scalar;
  readonly matrices: boolean;
}

export function record(
  forward: (ops: Ops<Value>, images: Value) => Value,
  imageShape: readonly [number, number, number],
  batch: number,
  weights: WeightShapes,
  numbers: Numbers,
): Recording {
  const recorder = new Recorder(batch, weights, numbers);
  const images = recorder.value([batch, ...imageShape], 'f32');
  const output = forward(recorder, images);
  if (output.shape.length !== 2) throw new UserError('a forward pass must end with one row an image');
  return { images: images.slot, output, steps: fuseNorms(recorder.steps, output.slot) };
}

/** Products of tokens are of `type`; the residual stream, pooled features and logits are float32. */
class Recorder implements Ops<Value> {
  readonly steps: Step[] = [];
  private readonly type: Scalar;

  constructor(
    private readonly batch: number,
    private readonly weights: WeightShapes,
    private readonly numbers: Numbers,
  ) {
    this.type = numbers.type;
  }

  value(shape: readonly number[], type: Scalar): Value {
    const bytes = sizeOf(shape) * (type === 'f16' ? 2 : 4);
    return { slot: { bytes: Math.ceil(bytes / 16) * 16 }, shape, type };
  }

  private step(
    code: string,
    operands: Step['operands'],
    sizes: readonly number[],
    grid: Step['grid'],
    of?: StepKind,
  ): void {
    this.steps.push({ code, operands, sizes, grid, of });
  }

  private shapeOf(name: string): readonly number[] {
    const shape = this.weights(name);
    if (!shape) throw new Error(`no weight is named ${name}`);
    return shape;
  }

  patchEmbed(images: Value, name: string): Value {
    const [p, q, channels, dim] = this.shapeOf(`${name}.kernel`);
    const [batch, height, width] = images.shape;
    const grid = [Math.floor(height! / p!), Math.floor(width! / q!)] as const;
    const rows = this.value([batch!, grid[0] * grid[1], p! * q! * channels!], this.type);
    const count = sizeOf(rows.shape);
    const shape = { patch: [p!, q!], channels: channels!, image: [height!, width!], grid } as const;
    this.step(patchesKernel(shape, this.type), [images.slot, rows.slot], [count], gridFor(count));
    const y = this.value([batch!, grid[0] * grid[1], dim!], 'f32');
    this.product(rows, y, name, {});
    return y;
  }

  addTokens(patches: Value, { prefix, posEmbed, firstPatch }: TokensSpec): Value {
    const [batch, count, width] = patches.shape;
    const lengths = prefix.map(({ name }) => sizeOf(this.shapeOf(name)) / width!);
    const before = lengths.reduce((a, b) => a + b, 0);
    const y = this.value([batch!, before + count!, width!], 'f32');
    const outputRows = before + count!;
    const place = (
      x: Slot | WeightUse,
      part: Pick<PlaceShape, 'count' | 'imageRows' | 'to'>,
      position: number | null,
    ) => {
      const placed = posEmbed === null || position === null ? undefined : position;
      const shape = {
        width: width!,
        from: 0,
        outputRows,
        position: placed,
        input: 'f32',
        output: 'f32',
        ...part,
      } as const;
      const positions = placed === undefined ? [] : [weight(posEmbed!)];
      const numbers = this.batch * part.count * width!;
      this.step(placeKernel(shape), [x, ...positions, y.slot], [numbers], gridFor(numbers));
    };
    let to = 0;
    prefix.forEach(({ name, position }: PrefixTokenSpec, i) => {
      place(weight(name), { count: lengths[i]!, imageRows: 0, to }, position);
      to += lengths[i]!;
    });
    place(patches.slot, { count: count!, imageRows: count!, to }, firstPatch);
    return y;
  }

  layerNorm(x: Value, name: string, epsilon: number): Value {
    const width = x.shape.at(-1)!;
    const y = this.value(x.shape, this.typeFor(x));
    const rows = rowsOf(x);
    const operands = [x.slot, weight(`${name}.gamma`), weight(`${name}.beta`), y.slot];
    const code = layerNormKernel(width, epsilon, x.type, y.type);
    const of = x.type === 'f32' && y.type === 'f32' ? ({ kind: 'norm', epsilon } as const) : undefined;
    this.step(code, operands, [rows], rowGrid(rows), of);
    return y;
  }

  /** What is computed of tokens is of `type`, of pooled features float32. */
  private typeFor({ shape }: Value): Scalar {
    return shape.length === 3 ? this.type : 'f32';
  }

  linear(x: Value, name: string, options: LinearOpOptions = {}): Value {
    const n = this.shapeOf(`${name}.kernel`).at(-1)!;
    const y = this.value([...x.shape.slice(0, -1), n], this.typeFor(x));
    this.product(x, y, name, options);
    return y;
  }

  linearResidual(x: Value, name: string, { residual, ...options }: ResidualOptions<Value>): Value {
    const n = this.shapeOf(`${name}.kernel`).at(-1)!;
    const y = this.value([...x.shape.slice(0, -1), n], 'f32');
    if (String(residual.shape) !== String(y.shape)) {
      throw new UserError(`${name}: what is added to it has another shape than its result`);
    }
    this.product(x, y, name, options, this.toFloat32(residual).slot);
    return y;
  }

  /** kernel as [K, N], the product of all its axes but the last. */
  private product(
    x: Value,
    y: Value,
    name: string,
    { activation, scale }: LinearOpOptions,
    residual?: Slot,
  ): void {
    const k = x.shape.at(-1)!;
    const n = y.shape.at(-1)!;
    const rows = rowsOf(x);
    const kernel = { name: `${name}.kernel`, type: x.type };
    const given: [LinearShape['operands'][number], Slot | WeightUse][] = [];
    if (this.weights(`${name}.bias`)) given.push(['bias', weight(`${name}.bias`)]);
    if (scale) given.push(['scale', weight(scale)]);
    if (residual) given.push(['residual', residual]);
    const operands = given.map(([operand]) => operand);
    const shape = { k, n, input: x.type, kernel: kernel.type, output: y.type, activation, operands };
    const bound = [x.slot, kernel, ...given.map(([, operand]) => operand), y.slot];
    const { code, tile, of } = this.productCode(shape, rows);
    this.step(code, bound, [rows], [Math.ceil(n / tile.columns), Math.ceil(rows / tile.rows), 1], of);
  }

  private productCode(shape: LinearShape, rows: number): { tile: TileChoice; code: string; of?: StepKind } {
    const { k, n, input } = shape;
    if (this.numbers.matrices && input === 'f16' && k % 4 === 0 && n % 4 === 0) {
      const tile = chooseTile(MATRIX_TILES, rows, n);
      return { tile, code: matrixKernel(shape, tile) };
    }
    const tile = chooseTile(LINEAR_TILES, rows, n);
    return { tile, code: linearKernel(shape, tile), of: { kind: 'product', shape, tile } };
  }

  swiglu(x: Value): Value {
    const width = x.shape.at(-1)! / 2;
    if (!Number.isInteger(width)) {
      throw new UserError(`swiglu: a width of ${2 * width} does not divide into halves`);
    }
    const y = this.value([...x.shape.slice(0, -1), width], x.type);
    const numbers = rowsOf(x) * width;
    this.step(gateKernel(width, x.type), [x.slot, y.slot], [numbers], gridFor(numbers));
    return y;
  }

  selfAttention(x: Value, name: string, { numHeads, qkNorm, queries }: AttentionOptions): Value {
    const [, tokens, width] = x.shape;
    const size = headSize(name, width!, numHeads);
    let qkv = this.linear(x, `${name}.qkv`);
    if (qkNorm !== undefined) qkv = this.headNorm(qkv, name, numHeads, size, qkNorm);
    const shape = {
      heads: numHeads,
      size,
      tokens: tokens!,
      queries: queries ?? tokens!,
      query: { stride: 3 * width!, imageRows: tokens!, offset: 0, type: qkv.type },
      row: { stride: 3 * width!, key: width!, value: 2 * width! },
    };
    return this.attend(qkv, qkv, shape);
  }

  private headNorm(qkv: Value, name: string, heads: number, size: number, epsilon: number): Value {
    const y = this.value(qkv.shape, qkv.type);
    const rows = rowsOf(qkv);
    const weights = ['q_norm.gamma', 'q_norm.beta', 'k_norm.gamma', 'k_norm.beta'];
    const operands = [qkv.slot, ...weights.map((part) => weight(`${name}.${part}`)), y.slot];
    this.step(headNormKernel(heads, size, epsilon, qkv.type), operands, [rows], gridFor(rows * 3 * heads));
    return y;
  }

  latentAttention(x: Value, name: string, numHeads: number): Value {
    const [, tokens, width] = x.shape;
    const size = headSize(name, width!, numHeads);
    const q = this.value([1, 1, width!], this.type);
    const latent = this.cast({ operand: weight(`${name}.latent`), width: width! });
    this.product(latent, q, `${name}.q`, {});
    const kv = this.linear(x, `${name}.kv`);
    return this.attend(q, kv, {
      heads: numHeads,
      size,
      tokens: tokens!,
      queries: 1,
      query: { stride: width!, imageRows: 0, offset: 0, type: q.type },
      row: { stride: 2 * width!, key: 0, value: width! },
    });
  }

  /** A weight [1, 1, D] as a value. */
  private cast({ operand, width }: { operand: WeightUse; width: number }): Value {
    const y = this.value([1, 1, width], this.type);
    const shape = {
      width,
      count: 1,
      imageRows: 1,
      from: 0,
      outputRows: 1,
      to: 0,
      input: 'f32',
      output: this.type,
    } as const;
    this.step(placeKernel(shape), [operand, y.slot], [width], gridFor(width));
    return y;
  }

  private attend(q: Value, rows: Value, shape: Omit<AttentionShape, 'type' | 'output'>): Value {
    const { heads, size, queries } = shape;
    const y = this.value([this.batch, queries, heads * size], this.type);
    const code = attentionKernel({ ...shape, type: rows.type, output: y.type });
    this.step(code, [q.slot, rows.slot, y.slot], [], [Math.ceil(queries / QUERIES), heads, this.batch]);
    return y;
  }

  firstTokens(x: Value, count: number): Value {
    return this.tokens(x, 0, count);
  }

  tokensFrom(x: Value, from: number): Value {
    return this.tokens(x, from, x.shape[1]! - from);
  }

  token(x: Value, index: number): Value {
    const y = this.tokens(x, index, 1, 'f32');
    return { ...y, shape: [this.batch, x.shape[2]!] };
  }

  private tokens(x: Value, from: number, count: number, type = x.type): Value {
    const [batch, imageRows, width] = x.shape;
    if (count === imageRows && type === x.type) return x;
    const y = this.value([batch!, count, width!], type);
    const shape = {
      width: width!,
      count,
      imageRows: imageRows!,
      from,
      outputRows: count,
      to: 0,
      input: x.type,
      output: type,
    };
    const numbers = batch! * count * width!;
    this.step(placeKernel(shape), [x.slot, y.slot], [numbers], gridFor(numbers));
    return y;
  }

  private toFloat32(x: Value): Value {
    return x.type === 'f32' ? x : this.tokens(x, 0, x.shape[1]!, 'f32');
  }

  meanTokens(x: Value, from: number): Value {
    const [batch, rows, width] = x.shape;
    const y = this.value([batch!, width!], 'f32');
    const numbers = batch! * width!;
    this.step(meanKernel(width!, rows!, from, x.type), [x.slot, y.slot], [numbers], gridFor(numbers));
    return y;
  }

  concat(parts: readonly Value[]): Value {
    if (parts.length === 1) return parts[0]!;
    const outputWidth = parts.reduce((sum, { shape }) => sum + shape[1]!, 0);
    const y = this.value([this.batch, outputWidth], 'f32');
    let column = 0;
    for (const x of parts) {
      const width = x.shape[1]!;
      const rows = { count: 1, imageRows: 1, from: 0, outputRows: 1, to: 0 };
      const shape = { width, ...rows, outputWidth, column, input: x.type, output: y.type };
      this.step(placeKernel(shape), [x.slot, y.slot], [this.batch * width], gridFor(this.batch * width));
      column += width;
    }
    return y;
  }

  mean(parts: readonly Value[]): Value {
    let sum = parts[0]!;
    for (const [i, x] of parts.slice(1).entries()) {
      const y = this.value(x.shape, 'f32');
      const numbers = sizeOf(x.shape);
      const factor = i === parts.length - 2 ? 1 / parts.length : 1;
      this.step(addKernel(factor), [sum.slot, x.slot, y.slot], [numbers], gridFor(numbers));
      sum = y;
    }
    return sum;
  }
}

function weight(name: string): WeightUse {
  return { name, type: 'f32' };
}

function rowsOf({ shape }: Value): number {
  return sizeOf(shape.slice(0, -1));
}

function headSize(name: string, width: number, heads: number): number {
  const size = width / heads;
  if (!Number.isInteger(size)) throw new UserError(`${name}: ${width} does not divide into ${heads} heads`);
  return size;
}
