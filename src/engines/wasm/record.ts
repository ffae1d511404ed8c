/** Records a forward pass as steps on operands, for a batch of a given size. */
import { UserError } from '../../errors.js';
import type {
  Activation,
  AttentionOptions,
  LinearOpOptions,
  Ops,
  ResidualOptions,
  TokensSpec,
} from '../../ops/interface.js';
import { sizeOf } from '../../shape.js';
import { paddedWidth, type WeightLayout } from './weightLayout.js';
import type { OpName, StepFields } from './words.js';

/** Memory that a step reads or writes; where it lies is decided later (layOut). */
export interface Operand {
  /** Bytes of it, in the arena. */
  readonly bytes: number;
  /** Bytes from row to row, where it has rows. */
  readonly stride: number;
  /** An operand whose place it may take, row by row, if the step that makes it is the last to read the other. */
  inPlaceOf?: Operand;
  /** Where it lies, if it is a weight. */
  readonly weight?: number;
}

/** What a forward pass computes with: rows [batch · rows of an image, width]. */
export interface Value {
  readonly operand: Operand;
  /** Rows of an image that count; undefined for values without an axis of tokens. */
  readonly tokens: number | undefined;
  /** Rows from an image to the next. */
  readonly imageRows: number;
  readonly width: number;
  /** Of images alone. */
  readonly imageShape?: readonly [height: number, width: number, channels: number];
}

export interface RecordedStep {
  readonly op: OpName;
  /** Over what the step is cut into tasks: rows of `imageRows` an image, or heads and their queries. */
  readonly over: { imageRows: number; rows: number } | { heads: number; groups: number };
  /** Operands by the field that holds their address. */
  readonly reads: Readonly<Record<string, Operand>>;
  readonly writes: Readonly<Record<string, Operand>>;
  /** All other fields, of which addresses of weights. */
  readonly fields: StepFields;
  /** Bytes of a tile of the left operand's panels; 0 where there are none. */
  readonly panelTile: number;
  /** Bytes that a thread needs for it: `fixed`, and for each tile of its rows. */
  readonly scratch: { fixed: number; perTile: number };
}

export interface Recording {
  readonly images: Operand;
  readonly output: Value;
  readonly steps: readonly RecordedStep[];
}

/** What the compiled module says of itself. */
export interface Tiles {
  /** Rows of a tile. */
  readonly rows: number;
  readonly columns: number;
  /** Codes in 32 bits: four bytes, or two numbers of 16 bits. */
  readonly unit: number;
  /** Of a packed [k, n] matrix of codes. */
  packedCodesBytes(k: number, n: number): number;
  /** Of a tile of rows of k values as codes. */
  codesBytes(k: number): number;
  linearScratchBytes(k: number, tiles: number): number;
  quantizedScratchBytes(k: number, tiles: number): number;
  splitScratchBytes(d: number): number;
  attentionScratchBytes(t: number, d: number): number;
}

/** By the numbers of assembly/epilogue.ts. */
export const ACTIVATIONS: Record<Activation, number> = {
  gelu: 1,
  gelu_tanh: 2,
  quick_gelu: 3,
  relu: 4,
  tanh: 5,
  silu: 6,
};

/** GELU, for values that become 8-bit codes. */
const COARSE_GELU = 7;

/** Queries, keys and values of an attention, as assembly/attention.ts has them. */
interface Split {
  /** Heads of all images. */
  readonly heads: number;
  readonly numHeads: number;
  /** Values of a head. */
  readonly d: number;
  readonly tokens: number;
  readonly queries: number;
  readonly q: Operand;
  readonly keys: Operand;
  readonly values: Operand;
  /** Rows of an image's output. */
  readonly outputRows: number;
  readonly fields: StepFields;
}

interface Norm {
  readonly x: Value;
  readonly name: string;
  readonly epsilon: number;
}

function activationOf(activation: Activation | undefined, quantized: boolean): number {
  if (activation === undefined) return 0;
  // A quantized layer stands before another: the MLP's second.
  return quantized && activation === 'gelu' ? COARSE_GELU : ACTIVATIONS[activation];
}

export function record(
  forward: (ops: Ops<Value>, images: Value) => Value,
  imageShape: readonly [number, number, number],
  batch: number,
  weights: WeightLayout,
  tiles: Tiles,
): Recording {
  const [height, width, channels] = imageShape;
  const images: Value = {
    operand: { bytes: batch * height * width * channels * 4 + 64, stride: 0 },
    tokens: undefined,
    imageRows: 1,
    width: height * width * channels,
    imageShape,
  };
  const recorder = new Recorder(batch, weights, tiles);
  const output = recorder.settle(forward(recorder, images));
  if (output.tokens !== undefined) throw new UserError('a forward pass must end with one row an image');
  return { images: images.operand, output, steps: recorder.steps };
}

class Recorder implements Ops<Value> {
  readonly steps: RecordedStep[] = [];
  /** Layer norms that no step has computed yet: products compute them as they pack their rows. */
  private readonly norms = new Map<Value, Norm>();
  /** What was last attended to, by the name of the attention. */
  private readonly splits = new Map<string, { readonly given: Value; readonly split: Split }>();
  /** Tokens of an image before its patches. */
  private prefix = 0;

  constructor(
    private readonly batch: number,
    private readonly weights: WeightLayout,
    private readonly tiles: Tiles,
  ) {}

  patchEmbed(images: Value, name: string): Value {
    if (!images.imageShape) throw new UserError(`${name}: patches are cut of images`);
    const [height, width, channels] = images.imageShape;
    const [p, q, c, n] = this.weights.shape(`${name}.kernel`) as [number, number, number, number];
    if (c !== channels)
      throw new UserError(`${name}: made for ${c} channels, and the images have ${channels}`);
    const down = Math.floor(height / p);
    const across = Math.floor(width / q);
    const k = p * q * c;
    const y = this.value(down * across, down * across, n);
    this.product({
      x: images,
      y,
      name,
      k,
      n,
      options: {},
      fields: { p0: p, p1: q, p2: c, p3: height, p4: width, p5: down, p6: across },
    });
    return y;
  }

  addTokens(patches: Value, { prefix, posEmbed, firstPatch }: TokensSpec): Value {
    const count = patches.tokens!;
    const { width } = patches;
    const parts: { name: string; from: number; to: number; count: number }[] = [];
    let rows = 0;
    for (const { name, position } of prefix) {
      const tokens = sizeOf(this.weights.shape(name)) / width;
      parts.push({ name, from: 0, to: rows, count: tokens });
      if (position !== null && posEmbed !== null) {
        parts.push({ name: posEmbed, from: position, to: rows, count: tokens });
      }
      rows += tokens;
    }
    this.prefix = rows;
    const y = this.value(rows + count, this.wholeTiles(rows + count), width);
    const positions = [{ name: posEmbed ?? '', from: firstPatch, to: 0, count }];
    this.step({
      op: 'addTokens',
      y,
      reads: { x: patches.operand },
      fields: {
        n: width,
        xStride: patches.operand.stride,
        w: rows > 0 ? this.weights.rows(`prefix ${JSON.stringify(prefix)}`, rows, width, parts) : 0,
        scale:
          posEmbed === null
            ? 0
            : this.weights.rows(`positions ${posEmbed} ${firstPatch}`, count, width, positions),
        p0: rows,
        p1: count,
        p3: y.imageRows,
      },
    });
    return y;
  }

  layerNorm(x: Value, name: string, epsilon: number): Value {
    const y = this.like(x);
    this.norms.set(y, { x: this.settle(x), name, epsilon });
    return y;
  }

  linear(x: Value, name: string, options: LinearOpOptions = {}): Value {
    const n = this.weights.shape(`${name}.kernel`).at(-1)!;
    const y = this.value(x.tokens, x.imageRows, n);
    this.product({ x, y, name, k: x.width, n, options });
    return y;
  }

  linearResidual(x: Value, name: string, { residual, ...options }: ResidualOptions<Value>): Value {
    const n = this.weights.shape(`${name}.kernel`).at(-1)!;
    if (residual.width !== n || residual.tokens !== x.tokens) {
      throw new UserError(`${name}: what is added to it has another shape than its result`);
    }
    const from = this.withRows(this.settle(residual), x.imageRows);
    const y = this.value(x.tokens, x.imageRows, n);
    y.operand.inPlaceOf = from.operand;
    this.product({ x, y, name, k: x.width, n, options, residual: from });
    return y;
  }

  swiglu(given: Value): Value {
    const x = this.settle(given);
    const n = x.width / 2;
    if (!Number.isInteger(n))
      throw new UserError(`swiglu: a width of ${x.width} does not divide into halves`);
    const y = this.value(x.tokens, x.imageRows, n);
    this.step({
      op: 'swiglu',
      y,
      reads: { x: x.operand },
      fields: { n, xStride: x.operand.stride },
    });
    return y;
  }

  selfAttention(given: Value, name: string, options: AttentionOptions): Value {
    return this.attend(this.splitSelf(given, name, options));
  }

  /** Softmax(q kᵀ / √d) of what selfAttention of the same arguments attends to: [B, heads · T · T]. */
  attentionWeights(given: Value, name: string, options: AttentionOptions): Value {
    const { heads, fields, q, keys, tokens, queries, d } = this.splitSelf(given, name, options);
    const y = this.value(undefined, 1, options.numHeads * queries * tokens);
    this.step({
      op: 'attentionWeights',
      over: { heads, groups: Math.ceil(queries / this.tiles.columns) },
      reads: { x: q, w: keys },
      y,
      fields,
      scratch: { fixed: this.tiles.attentionScratchBytes(tokens, d), perTile: 0 },
    });
    return y;
  }

  /** Queries, keys and values of selfAttention, which are made once for both of its kinds of result. */
  private splitSelf(given: Value, name: string, options: AttentionOptions): Split {
    const known = this.splits.get(name);
    if (known?.given === given) return known.split;
    const x = this.withWholeTiles(given);
    const { width } = x;
    const { numHeads, qkNorm, queries = x.tokens! } = options;
    const d = this.headSize(name, width, numHeads);
    const n = this.weights.shape(`${name}.qkv.kernel`).at(-1)!;
    const qkv = this.value(x.tokens, x.imageRows, n);
    this.product({ x, y: qkv, name: `${name}.qkv`, k: width, n, options: {} });
    const q = this.heads(numHeads * this.batch, queries, d, x.imageRows);
    const norms = qkNorm === undefined ? {} : this.headNorms(name, d, qkNorm);
    const query = { q, queries, shared: false };
    const split = this.split(qkv, name, numHeads, d, query, [0, width, 2 * width], norms);
    this.splits.set(name, { given, split });
    return split;
  }

  latentAttention(given: Value, name: string, numHeads: number): Value {
    const x = this.withWholeTiles(given);
    const { width } = x;
    const d = this.headSize(name, width, numHeads);
    const q: Operand = { bytes: this.rowsBytes(1, width), stride: paddedWidth(width) * 4 };
    this.product({
      x: this.latent(`${name}.latent`, width),
      y: { operand: q, tokens: 1, imageRows: 1, width },
      name: `${name}.q`,
      k: width,
      n: width,
      options: {},
      rows: 1,
    });
    const kv = this.value(x.tokens, x.imageRows, 2 * width);
    this.product({ x, y: kv, name: `${name}.kv`, k: width, n: 2 * width, options: {} });
    return this.attend(
      this.split(kv, name, numHeads, d, { q, queries: 1, shared: true }, [-1, 0, width], {}),
    );
  }

  firstTokens(x: Value, count: number): Value {
    if (count === x.tokens) return x;
    return this.copied(this.settle(x), 0, count, count);
  }

  tokensFrom(x: Value, from: number): Value {
    const count = x.tokens! - from;
    return this.copied(this.settle(x), from, count, count);
  }

  token(x: Value, index: number): Value {
    const y = this.copied(this.settle(x), index, 1, 1);
    return { ...y, tokens: undefined };
  }

  meanTokens(given: Value, from: number): Value {
    const x = this.settle(given);
    const y = this.value(undefined, 1, x.width);
    this.step({
      op: 'meanTokens',
      y,
      reads: { x: x.operand },
      fields: { n: x.width, xStride: x.operand.stride, p0: from, p1: x.tokens!, p2: x.imageRows },
    });
    return y;
  }

  concat(given: readonly Value[]): Value {
    const parts = given.map((part) => this.settle(part));
    const width = parts.reduce((sum, part) => sum + part.width, 0);
    const y = this.value(undefined, 1, width);
    let column = 0;
    for (const x of parts) {
      this.step({
        op: 'copyRows',
        y,
        reads: { x: x.operand },
        fields: { n: x.width, xStride: x.operand.stride, p1: 1, p2: x.imageRows, p3: 1, p4: column },
      });
      column += x.width;
    }
    return y;
  }

  /** An image's tokens, one behind the other: [B, T, D] → [B, T · D]. */
  flatten(given: Value): Value {
    const x = this.settle(given);
    const count = x.tokens ?? 1;
    const y = this.value(undefined, 1, count * x.width);
    for (let token = 0; token < count; token++) {
      const from = { n: x.width, xStride: x.operand.stride, p0: token, p1: 1, p2: x.imageRows };
      this.step({
        op: 'copyRows',
        y,
        reads: { x: x.operand },
        fields: { ...from, p3: 1, p4: token * x.width },
      });
    }
    return y;
  }

  mean(given: readonly Value[]): Value {
    const parts = given.map((part) => this.settle(part));
    let sum = parts[0]!;
    for (const [i, x] of parts.slice(1).entries()) {
      const y = this.like(x);
      const last = i === parts.length - 2;
      this.step({
        op: 'addScaled',
        y,
        reads: { x: sum.operand, residual: x.operand },
        fields: {
          n: x.width,
          xStride: sum.operand.stride,
          residualStride: x.operand.stride,
          epsilon: last ? 1 / parts.length : 1,
        },
      });
      sum = y;
    }
    return sum;
  }

  /** The value itself, a layer norm that was put off having its own step. */
  settle(y: Value): Value {
    const norm = this.norms.get(y);
    if (!norm) return y;
    this.norms.delete(y);
    const { x, name, epsilon } = norm;
    this.step({
      op: 'layerNorm',
      y,
      reads: { x: x.operand },
      fields: { n: x.width, xStride: x.operand.stride, epsilon, ...this.normWeights(name, x.width) },
      scratch: { fixed: 64, perTile: 0 },
    });
    return y;
  }

  private headSize(name: string, width: number, numHeads: number): number {
    const d = width / numHeads;
    if (!Number.isInteger(d)) throw new UserError(`${name}: ${width} does not divide into ${numHeads} heads`);
    return d;
  }

  private normWeights(name: string, width: number): { gamma: number; beta: number } {
    return {
      gamma: this.weights.vector(`${name}.gamma`, width),
      beta: this.weights.vector(`${name}.beta`, width),
    };
  }

  private headNorms(name: string, d: number, epsilon: number): StepFields {
    const q = this.normWeights(`${name}.q_norm`, d);
    const k = this.normWeights(`${name}.k_norm`, d);
    return { ...q, scale: k.gamma, bias: k.beta, epsilon };
  }

  /** Bytes of rows, with those that fill the last tile up, and a line that loads may run into. */
  private rowsBytes(rows: number, width: number): number {
    return this.wholeTiles(rows) * paddedWidth(width) * 4 + 64;
  }

  private wholeTiles(rows: number): number {
    return Math.ceil(rows / this.tiles.rows) * this.tiles.rows;
  }

  private value(tokens: number | undefined, imageRows: number, width: number): Value {
    const operand = { bytes: this.rowsBytes(this.batch * imageRows, width), stride: paddedWidth(width) * 4 };
    return { operand, tokens, imageRows, width };
  }

  private like({ tokens, imageRows, width }: Value): Value {
    return this.value(tokens, imageRows, width);
  }

  /** Queries of heads, d values each. */
  private heads(count: number, queries: number, d: number, imageRows: number): Operand {
    return { bytes: count * Math.min(queries, imageRows) * d * 4 + 64, stride: d * 4 };
  }

  private latent(name: string, width: number): Value {
    const address = this.weights.vector(name, width);
    const operand: Operand = { bytes: 0, stride: paddedWidth(width) * 4, weight: address };
    return { operand, tokens: 1, imageRows: 1, width };
  }

  /** x with each image's rows filled up to whole tiles. */
  private withWholeTiles(x: Value): Value {
    const rows = this.wholeTiles(x.tokens!);
    if (x.imageRows === rows) return x;
    return this.copied(this.settle(x), 0, x.tokens!, rows);
  }

  private withRows(x: Value, imageRows: number): Value {
    if (x.imageRows === imageRows) return x;
    return this.copied(x, 0, x.tokens ?? 1, imageRows);
  }

  private copied(x: Value, first: number, count: number, imageRows: number): Value {
    const y = this.value(count, imageRows, x.width);
    this.step({
      op: 'copyRows',
      y,
      reads: { x: x.operand },
      fields: { n: x.width, xStride: x.operand.stride, p0: first, p1: count, p2: x.imageRows, p3: imageRows },
    });
    return y;
  }

  private product(given: {
    x: Value;
    y: Value;
    name: string;
    k: number;
    n: number;
    options: LinearOpOptions;
    residual?: Value;
    fields?: StepFields;
    rows?: number;
  }): void {
    const { y, name, k, n, options, residual } = given;
    const norm = this.norms.get(given.x);
    const x = norm ? norm.x : given.x;
    const { weights, tiles } = this;
    const quantized = weights.has(`${name}.scale`);
    const scratch = quantized ? tiles.quantizedScratchBytes : tiles.linearScratchBytes;
    const fixed = scratch(k, 0);
    this.step({
      op: quantized ? 'quantizedLinear' : 'linear',
      y,
      reads: { x: x.operand, ...(residual ? { residual: residual.operand } : {}) },
      fields: {
        ...given.fields,
        k,
        n,
        xStride: x.operand.stride,
        residualStride: residual?.operand.stride,
        ...(quantized ? this.quantizedWeights(name, k, n, y) : { w: weights.matrix(`${name}.kernel`, k, n) }),
        bias: weights.has(`${name}.bias`) ? weights.vector(`${name}.bias`, n) : weights.zeros(n),
        activation: activationOf(options.activation, quantized),
        scale: options.scale === undefined ? 0 : weights.vector(options.scale, n),
        ...(norm ? { ...this.normWeights(norm.name, k), epsilon: norm.epsilon } : {}),
      },
      rows: given.rows,
      panelTile: quantized ? tiles.codesBytes(k) : paddedWidth(k) * 4 * tiles.rows,
      scratch: { fixed, perTile: scratch(k, 1) - fixed },
    });
  }

  /** Of a matrix of 8-bit codes with a scale for each column; the first tokens of an image have more bits. */
  private quantizedWeights(name: string, k: number, n: number, { imageRows }: Value): StepFields {
    const { address, sums } = this.weights.codes(`${name}.kernel`, k, n);
    const scales = this.weights.vector(`${name}.scale`, n);
    return { w: address, p7: sums, p8: scales, p9: this.prefix, p10: imageRows };
  }

  private split(
    rows: Value,
    name: string,
    numHeads: number,
    d: number,
    query: { q: Operand; queries: number; shared: boolean },
    [qAt, kAt, vAt]: readonly [number, number, number],
    norms: StepFields,
  ): Split {
    const { batch } = this;
    const { imageRows } = rows;
    const tokens = rows.tokens!;
    const tileRows = this.tiles.rows;
    const { q, queries, shared } = query;
    if (!(queries >= 1 && queries <= tokens))
      throw new UserError(`${name}: ${queries} of ${tokens} tokens cannot ask`);
    const heads = batch * numHeads;
    const keys: Operand = { bytes: heads * imageRows * d * 4 + 64, stride: 0 };
    const values: Operand = { bytes: heads * this.wholeTiles(d) * imageRows * 4 + 64, stride: 0 };
    const shape = { p0: numHeads, p1: d, p2: tokens, p3: imageRows / tileRows, p7: queries, p8: queries };
    this.step({
      op: 'splitHeads',
      over: { imageRows, rows: batch * imageRows },
      reads: { x: rows.operand },
      writes: { ...(shared ? {} : { y: q }), w: keys, residual: values },
      fields: { ...shape, ...norms, xStride: rows.operand.stride, p4: qAt, p5: kAt, p6: vAt },
      scratch: { fixed: this.tiles.splitScratchBytes(d), perTile: 0 },
    });
    const outputRows = queries === tokens ? imageRows : queries;
    const fields = { ...shape, p9: outputRows, p11: shared ? 1 : 0 };
    return { heads, numHeads, d, tokens, queries, q, keys, values, outputRows, fields };
  }

  private attend({ heads, numHeads, d, tokens, queries, q, keys, values, outputRows, fields }: Split): Value {
    const y = this.value(queries, outputRows, numHeads * d);
    this.step({
      op: 'attention',
      over: { heads, groups: Math.ceil(queries / this.tiles.columns) },
      reads: { x: q, w: keys, residual: values },
      y,
      fields,
      scratch: { fixed: this.tiles.attentionScratchBytes(tokens, d), perTile: 0 },
    });
    return y;
  }

  private step(given: {
    op: OpName;
    y?: Value;
    over?: RecordedStep['over'];
    rows?: number;
    reads: Record<string, Operand>;
    writes?: Record<string, Operand>;
    fields: StepFields;
    panelTile?: number;
    scratch?: { fixed: number; perTile: number };
  }): void {
    const { y } = given;
    const rows = given.rows ?? (y ? this.batch * y.imageRows : 0);
    this.steps.push({
      op: given.op,
      over: given.over ?? { imageRows: y!.imageRows, rows },
      reads: given.reads,
      writes: given.writes ?? { y: y!.operand },
      fields: { ...given.fields, rows, ...(y ? { yStride: y.operand.stride } : {}) },
      panelTile: given.panelTile ?? 0,
      scratch: given.scratch ?? { fixed: 0, perTile: 0 },
    });
  }
}
