/** Records the operations of a forward pass and, from them in reverse, the backward pass. */
import { UserError } from '../../../errors.js';
import type {
  Activation,
  AttentionOptions,
  LinearOpOptions,
  Ops,
  ResidualOptions,
  TokensSpec,
} from '../../../ops/interface.js';
import { ACTIVATIONS } from '../record.js';
import { paddedWidth } from '../weightLayout.js';
import { type FieldName, type Fields, type OpName, TRANSPOSED } from './steps.js';
import type { WeightSpace } from './weightSpace.js';

/** A model that the training engine cannot train: another way has to. */
export class Untrainable extends UserError {}

/** Memory that a step reads or writes. */
export interface Operand {
  readonly bytes: number;
  /** Bytes from row to row. */
  readonly stride: number;
  /** Where it lies: of the weights, their gradients and the like. Others find their place in the arena. */
  readonly address?: number;
  /** Part of another operand, `offset` bytes into it. */
  readonly within?: { readonly operand: Operand; readonly offset: number };
}

/** What a forward pass computes with: rows [batch · tokens, width]. */
export interface Value {
  readonly operand: Operand;
  /** Rows of an image; undefined for values without an axis of tokens. */
  readonly tokens: number | undefined;
  readonly width: number;
  /** Whether the loss's gradient is wanted of it: a weight that learns comes before it. */
  readonly learns: boolean;
  readonly imageShape?: readonly [height: number, width: number, channels: number];
  /** Records it again, where computing it in the backward pass costs less than keeping it. */
  readonly remake?: () => Operand;
  /** Of a layer's output: what stood before its activation. */
  readonly before?: { readonly z: Operand; readonly activation: number };
}

/** Names of a layer's weights. */
export interface LayerNames {
  /** [..., N], with as many numbers a column as a row of its input has. */
  readonly kernel: string;
  readonly bias?: string;
}

/** Names of the weights of a norm. */
export interface NormNames {
  readonly gamma: string;
  readonly beta: string;
}

export interface RecordedStep {
  readonly op: OpName;
  readonly fields: Fields;
  readonly reads: Readonly<Partial<Record<FieldName, Operand>>>;
  readonly writes: Readonly<Partial<Record<FieldName, Operand>>>;
  /** What its tasks share: tiles of rows are counted by the plan. */
  readonly units: number;
}

export interface Recording {
  readonly images: Operand;
  readonly output: Value;
  readonly outputGradient: Operand;
  readonly forward: readonly RecordedStep[];
  readonly backward: readonly RecordedStep[];
  /** For each branch that may be left out, in the order of the forward pass: how often, and the images' factors. */
  readonly dropPaths: readonly { readonly rate: number; readonly factors: Operand }[];
  /** The weights that the loss's gradient reaches, of those that learn. */
  readonly reached: ReadonlySet<string>;
  /** The weights that the backward pass itself moves on: running statistics. */
  readonly running: ReadonlySet<string>;
}

/** What the compiled module says of itself. */
export interface Shape {
  /** Rows of a tile. */
  readonly rows: number;
  /** Rows of a chunk of sums. */
  readonly chunk: number;
}

/** Where what every program shares lies. */
export interface Places {
  readonly space: WeightSpace;
  readonly weights: number;
  readonly gradients: number;
  /** As many zeros as the longest row has. */
  readonly zeros: number;
  /** The word that says whether gradients are added to what is there. */
  readonly accumulate: number;
}

export interface RecordOptions {
  readonly batch: number;
  readonly imageShape: readonly [number, number, number];
  readonly places: Places;
  readonly shape: Shape;
  /** Whether there is a backward pass, and branches are left out. */
  readonly training: boolean;
  readonly trainable: ReadonlySet<string>;
  /** How many of the output's first columns the loss reads; all by default. */
  readonly lossColumns?: number;
}

export class Recorder implements Ops<Value> {
  readonly steps: RecordedStep[] = [];
  readonly dropPaths: { rate: number; factors: Operand }[] = [];
  readonly reached = new Set<string>();
  readonly running = new Set<string>();
  /** The gradient's way back, an entry an operation; each finds the gradient of its result. */
  private readonly waysBack: (() => void)[] = [];
  private readonly gradients = new Map<Value, Operand>();
  private readonly sources = new Set<string>();

  constructor(protected readonly options: RecordOptions) {}

  /** Records the backward pass. */
  goBack(output: Value, gradient: Operand): void {
    this.gradients.set(output, gradient);
    for (const step of this.waysBack.reverse()) step();
  }

  patchEmbed(images: Value, name: string): Value {
    if (!images.imageShape) throw new Untrainable(`${name}: patches are cut of images`);
    const [height, width, channels] = images.imageShape;
    const [p, q, c, n] = this.shapeOf(`${name}.kernel`) as [number, number, number, number];
    if (c !== channels) {
      throw new UserError(`${name}: made for ${c} channels, and the images have ${channels}`);
    }
    const down = Math.floor(height / p);
    const across = Math.floor(width / q);
    const patches = this.value(down * across, p * q * c);
    const m = this.rowsOf(patches);
    this.step('patches', m, {
      reads: { a: images.operand },
      writes: { y: patches.operand },
      fields: { p0: p, p1: q * c, p2: down, p3: across, p4: height * width * channels * 4, m },
    });
    return this.product(patches, this.layerNames(name), n, {});
  }

  addTokens(patches: Value, { prefix, posEmbed, firstPatch }: TokensSpec): Value {
    const { width } = patches;
    const count = patches.tokens!;
    const lengths = prefix.map(({ name }) => this.sizeOf(name) / width);
    const before = lengths.reduce((sum, length) => sum + length, 0);
    const names = [...prefix.map(({ name }) => name), ...(posEmbed === null ? [] : [posEmbed])];
    const y = this.value(before + count, width, patches.learns || this.anyLearns(names));
    const position = (from: number) =>
      posEmbed === null ? {} : { b: this.rowsOfWeight('weights', posEmbed, width, from) };
    let at = 0;
    const places = prefix.map(({ name, position }, i) => {
      const place = { name, position, to: at, length: lengths[i]! };
      at += place.length;
      return place;
    });
    for (const { name, position: from, to, length } of places) {
      this.move(
        y,
        { operand: this.rowsOfWeight('weights', name, width), tokens: 0, width },
        {
          rows: length,
          to,
          reads: from === null ? {} : position(from),
        },
      );
    }
    this.move(y, patches, { rows: count, to: before, reads: position(firstPatch) });
    this.back(y, (dy) => {
      for (const { name, position: from, to, length } of places) {
        this.sumRows(dy, y, { name, to: 0, from: to, count: length });
        if (posEmbed !== null && from !== null) {
          this.sumRows(dy, y, { name: posEmbed, to: from, from: to, count: length });
        }
      }
      if (posEmbed !== null) {
        this.sumRows(dy, y, { name: posEmbed, to: firstPatch, from: before, count });
      }
      this.give(patches, (residual) => this.movedBack(dy, y, patches, { first: before, count, residual }));
    });
    return y;
  }

  layerNorm(x: Value, name: string, epsilon: number): Value {
    return this.norm(x, normNames(name), epsilon, x.width);
  }

  linear(x: Value, name: string, options: LinearOpOptions = {}): Value {
    return this.product(x, this.layerNames(name), this.shapeOf(`${name}.kernel`).at(-1)!, options);
  }

  linearResidual(
    x: Value,
    name: string,
    { residual, dropPath = 0, ...options }: ResidualOptions<Value>,
  ): Value {
    const n = this.shapeOf(`${name}.kernel`).at(-1)!;
    if (residual.width !== n || residual.tokens !== x.tokens) {
      throw new UserError(`${name}: what is added to it has another shape than its result`);
    }
    const rate = this.options.training ? dropPath : 0;
    return this.product(x, this.layerNames(name), n, options, residual, rate);
  }

  swiglu(x: Value): Value {
    const n = x.width / 2;
    if (!Number.isInteger(n)) {
      throw new UserError(`swiglu: a width of ${x.width} does not divide into halves`);
    }
    const y = this.value(x.tokens, n, x.learns);
    const m = this.rowsOf(y);
    this.step('swiglu', m, { reads: { a: x.operand }, writes: { y: y.operand }, fields: { n } });
    this.back(y, (dy) => {
      this.give(x, (residual) => {
        const dx = this.value(x.tokens, x.width);
        this.step('swigluGradient', m, {
          reads: { a: x.operand, b: dy },
          writes: { y: dx.operand },
          fields: { n },
        });
        return residual ? this.sum(dx, dx.operand, residual) : dx.operand;
      });
    });
    return y;
  }

  selfAttention(x: Value, name: string, options: AttentionOptions): Value {
    const { width } = x;
    const { numHeads, qkNorm, queries = x.tokens! } = options;
    const d = width / numHeads;
    if (!Number.isInteger(d)) throw new UserError(`${name}: ${width} does not divide into ${numHeads} heads`);
    const made = this.linear(x, `${name}.qkv`);
    const qkv = qkNorm === undefined ? made : this.normedHeads(made, name, numHeads, qkNorm);
    const { batch } = this.options;
    const tokens = x.tokens!;
    const y = this.value(queries, width, qkv.learns);
    const fields = { p0: numHeads, p1: d, p2: tokens, p3: width, p4: 2 * width, p5: queries };
    const heads = batch * numHeads;
    this.step('attend', heads, { reads: { a: qkv.operand }, writes: { y: y.operand }, fields });
    this.back(y, (dy) => {
      this.give(qkv, (residual) => {
        const dx = this.value(tokens, 3 * width);
        this.step('attendGradient', heads, {
          reads: { a: qkv.operand, b: dy },
          writes: { y: dx.operand },
          fields,
        });
        return residual ? this.sum(dx, dx.operand, residual) : dx.operand;
      });
    });
    return y;
  }

  latentAttention(x: Value, name: string, numHeads: number): Value {
    const { width } = x;
    const d = width / numHeads;
    if (!Number.isInteger(d)) throw new UserError(`${name}: ${width} does not divide into ${numHeads} heads`);
    const tokens = x.tokens!;
    const { batch } = this.options;
    const names = this.layerNames(`${name}.q`);
    const latent = `${name}.latent`;
    const queryLearns = this.anyLearns([latent, names.kernel, ...(names.bias ? [names.bias] : [])]);
    const q = this.query(latent, names, width);
    const kv = this.linear(x, `${name}.kv`);
    // As self-attention has them: side by side, and one query an image, in its first row.
    const qkv = this.value(tokens, 3 * width);
    const keys = (operand: Operand): Operand => ({ ...operand, within: { operand, offset: width * 4 } });
    this.move(qkv, { operand: q, tokens: 0, width }, { rows: 1, to: 0, reads: {} });
    this.move({ ...qkv, operand: keys(qkv.operand) }, kv, { rows: tokens, to: 0, reads: {} });
    const y = this.value(1, width, kv.learns || queryLearns);
    const heads = batch * numHeads;
    const fields = { p0: numHeads, p1: d, p2: tokens, p3: width, p4: 2 * width, p5: 1 };
    this.step('attend', heads, { reads: { a: qkv.operand }, writes: { y: y.operand }, fields });
    this.back(y, (dy) => {
      const dqkv = this.value(tokens, 3 * width).operand;
      this.step('attendGradient', heads, {
        reads: { a: qkv.operand, b: dy },
        writes: { y: dqkv },
        fields,
      });
      if (queryLearns) this.queryBack(latent, names, dqkv, { width, tokens });
      this.give(kv, (residual) => {
        const dkv = this.value(tokens, 2 * width);
        const from = { operand: keys(dqkv), tokens, width: 2 * width };
        this.move(dkv, from, { rows: tokens, to: 0, reads: residual ? { residual } : {} });
        return dkv.operand;
      });
    });
    return y;
  }

  /** One row for all images. */
  private row(width: number): Operand {
    const stride = paddedWidth(width) * 4;
    return { bytes: this.options.shape.rows * stride + 64, stride };
  }

  /** A learned query through its linear layer. */
  private query(latent: string, { kernel, bias }: LayerNames, width: number): Operand {
    const q = this.row(width);
    this.step('product', 0, {
      reads: {
        a: this.rowsOfWeight('weights', latent, width),
        b: this.rowsOfWeight('weights', kernel, width),
      },
      writes: { y: q },
      fields: {
        m: 1,
        n: width,
        k: width,
        bias: bias ? this.addressOf(bias) : this.options.places.zeros,
      },
    });
    return q;
  }

  /** The gradients of a learned query and its layer, by those of queries, keys and values. */
  private queryBack(
    latent: string,
    { kernel, bias }: LayerNames,
    dqkv: Operand,
    { width, tokens }: { width: number; tokens: number },
  ): void {
    const { trainable, places, batch } = this.options;
    const dq = this.row(width);
    this.step('sumImages', 1, {
      reads: { a: dqkv },
      writes: { y: dq },
      fields: { m: batch, n: width, p1: 0, p2: tokens },
    });
    const common = { exact: 1, accumulate: places.accumulate, bias: places.zeros };
    const biasLearns = bias !== undefined && trainable.has(bias);
    if (trainable.has(kernel)) {
      this.step('product', 0, {
        reads: { a: this.rowsOfWeight('weights', latent, width), b: dq },
        writes: {
          y: this.gradientOf(kernel, width),
          ...(biasLearns ? { sums: this.gradientOf(bias, width) } : {}),
        },
        fields: { ...common, m: width, n: width, k: 1, aKind: TRANSPOSED },
      });
    } else if (biasLearns) {
      throw new Untrainable(`${kernel}: a bias that learns without its matrix`);
    }
    if (!trainable.has(latent)) return;
    this.step('product', 0, {
      reads: { a: dq, b: this.rowsOfWeight('weights', kernel, width) },
      writes: { y: this.gradientOf(latent, width) },
      fields: { ...common, m: 1, n: width, k: width, bKind: TRANSPOSED },
    });
  }

  firstTokens(x: Value, count: number): Value {
    return count === x.tokens ? x : this.part(x, 0, count, count);
  }

  tokensFrom(x: Value, from: number): Value {
    const count = x.tokens! - from;
    return this.part(x, from, count, count);
  }

  token(x: Value, index: number): Value {
    return this.part(x, index, 1, undefined);
  }

  meanTokens(x: Value, from: number): Value {
    const tokens = x.tokens!;
    const y = this.value(undefined, x.width, x.learns);
    this.step('meanRows', this.options.batch, {
      reads: { a: x.operand },
      writes: { y: y.operand },
      fields: { n: x.width, p0: from, p1: tokens, p2: tokens },
    });
    this.back(y, (dy) => {
      const count = tokens - from;
      this.give(x, (residual) =>
        this.movedBack(dy, y, x, { from, count, residual, step: 0, factor: 1 / count }),
      );
    });
    return y;
  }

  concat(parts: readonly Value[]): Value {
    const width = parts.reduce((sum, part) => sum + part.width, 0);
    const learns = parts.some((part) => part.learns);
    const y = this.value(undefined, width, learns);
    const columns = parts.map((_, i) => parts.slice(0, i).reduce((sum, part) => sum + part.width, 0));
    const within = (operand: Operand, column: number): Operand => ({
      bytes: operand.bytes,
      stride: operand.stride,
      within: { operand, offset: column * 4 },
    });
    for (const [i, x] of parts.entries()) {
      this.move({ ...y, operand: within(y.operand, columns[i]!) }, x, { rows: 1, to: 0, reads: {} });
    }
    this.back(y, (dy) => {
      for (const [i, x] of parts.entries()) {
        if (columns[i]! >= (this.options.lossColumns ?? width)) continue;
        const dx = within(dy, columns[i]!);
        this.give(x, (residual) => (residual ? this.sum(x, dx, residual) : dx));
      }
    });
    return y;
  }

  mean(parts: readonly Value[]): Value {
    if (parts.length === 1) return parts[0]!;
    const factor = 1 / parts.length;
    let y = parts[0]!;
    for (const [i, x] of parts.entries()) {
      const next = this.value(x.tokens, x.width, y.learns || x.learns);
      const reads = i === 0 ? {} : { residual: y.operand };
      this.move(next, x, { rows: x.tokens ?? 1, to: 0, reads, factor });
      const sum = i === 0 ? undefined : y;
      this.back(next, (dy) => {
        if (sum) this.give(sum, (residual) => (residual ? this.sum(sum, dy, residual) : dy));
        this.give(x, (residual) => this.movedBack(dy, next, x, { count: x.tokens ?? 1, residual, factor }));
      });
      y = next;
    }
    return y;
  }

  value(tokens: number | undefined, width: number, learns = false): Value {
    const { batch, shape } = this.options;
    const rows = Math.ceil((batch * (tokens ?? 1)) / shape.rows) * shape.rows;
    const stride = paddedWidth(width) * 4;
    return { operand: { bytes: rows * stride + 64, stride }, tokens, width, learns };
  }

  protected rowsOf({ tokens }: Value): number {
    return this.options.batch * (tokens ?? 1);
  }

  /** The weights of a layer of ours, by its name. */
  private layerNames(name: string): LayerNames {
    if (this.has(`${name}.scale`)) throw new Untrainable(`${name}: a quantized matrix`);
    const bias = `${name}.bias`;
    return { kernel: `${name}.kernel`, ...(this.has(bias) ? { bias } : {}) };
  }

  protected shapeOf(name: string): readonly number[] {
    return this.options.places.space.row(name).shape;
  }

  protected sizeOf(name: string): number {
    return this.options.places.space.size(name);
  }

  protected has(name: string): boolean {
    return this.options.places.space.has(name);
  }

  protected anyLearns(names: readonly string[]): boolean {
    return this.options.training && names.some((name) => this.options.trainable.has(name));
  }

  protected addressOf(name: string, buffer: 'weights' | 'gradients' = 'weights'): number {
    const { places } = this.options;
    return places[buffer] + places.space.row(name).offset;
  }

  /** A weight [..., width] as rows, from one on. */
  protected rowsOfWeight(buffer: 'weights' | 'gradients', name: string, width: number, from = 0): Operand {
    const address = this.addressOf(name, buffer) + from * width * 4;
    return { bytes: this.sizeOf(name) * 4, stride: width * 4, address };
  }

  /** Where the gradient of a weight goes, of which each row has one source. */
  protected gradientOf(name: string, width: number, from = 0): Operand {
    if (this.sources.has(`${name} ${from}`)) throw new Untrainable(`${name}: a weight that is used twice`);
    this.sources.add(`${name} ${from}`);
    this.reached.add(name);
    return this.rowsOfWeight('gradients', name, width, from);
  }

  /** `go` is called in the backward pass, at this operation's turn. */
  protected way(go: () => void): void {
    this.waysBack.push(go);
  }

  /** `go` is called in the backward pass with the gradient of y, if anything asks for one. */
  protected back(y: Value, go: (dy: Operand) => void): void {
    if (!y.learns) return;
    this.way(() => {
      const dy = this.gradients.get(y);
      if (dy) go(dy);
    });
  }

  /** Adds to the gradient of x: `make` gives its sum with what is known of it so far. */
  protected give(x: Value, make: (residual: Operand | undefined) => Operand): void {
    if (!x.learns) return;
    this.gradients.set(x, make(this.gradients.get(x)));
  }

  /** a + b, of the shape of `like`. */
  protected sum(like: Value, a: Operand, b: Operand): Operand {
    const y = this.value(like.tokens, like.width);
    this.move(y, { ...like, operand: a }, { rows: like.tokens ?? 1, to: 0, reads: { residual: b } });
    return y.operand;
  }

  protected product(
    x: Value,
    names: LayerNames,
    n: number,
    { activation, scale }: LinearOpOptions,
    residual?: Value,
    dropRate = 0,
  ): Value {
    const { training, places } = this.options;
    const { kernel: name, bias } = names;
    if (activation && scale) throw new Untrainable(`${name}: an activation with a scale`);
    const k = x.width;
    const kernel = this.rowsOfWeight('weights', name, n);
    if (this.sizeOf(name) !== k * n) {
      throw new UserError(`${name}: its shape is [${this.shapeOf(name)}], and its layer needs [${k}, ${n}]`);
    }
    const ownLearns = this.anyLearns([name, ...(bias ? [bias] : []), ...(scale ? [scale] : [])]);
    const learns = ownLearns || x.learns || (residual?.learns ?? false);
    const number = activation ? ACTIVATIONS[activation as Activation] : 0;
    const m = this.rowsOf(x);
    // What the backward pass has to know of the layer: z, which is y where nothing follows it.
    const keepsZ =
      training && ((activation !== undefined && learns) || (scale !== undefined && this.anyLearns([scale])));
    const z = keepsZ ? this.value(x.tokens, n).operand : undefined;
    const made = this.value(x.tokens, n, learns);
    const y: Value = activation && z ? { ...made, before: { z, activation: number } } : made;
    const factors = dropRate > 0 ? this.dropPath(dropRate) : undefined;
    this.step('product', 0, {
      reads: {
        a: x.operand,
        b: kernel,
        ...(residual ? { residual: residual.operand } : {}),
        ...(factors ? { factors } : {}),
      },
      writes: { y: y.operand, ...(z ? { z } : {}) },
      fields: {
        m,
        n,
        k,
        bias: bias ? this.addressOf(bias) : places.zeros,
        activation: number,
        scale: scale ? this.addressOf(scale) : 0,
        imageRows: x.tokens ?? 1,
      },
    });
    this.back(y, (dy) => {
      if (residual) {
        this.give(residual, (other) => (other ? this.sum(residual, dy, other) : dy));
      }
      if (!ownLearns && !x.learns) return;
      const du = scale || factors ? this.scaleBack(dy, y, { scale, z, factors }) : dy;
      const dz = y.before ? this.slopeBack(du, y, y.before) : du;
      this.giveMatrix(names, { x, y, dz });
      this.give(x, (other) => {
        const dx = this.value(x.tokens, k);
        this.step('product', 0, {
          reads: { a: dz, b: kernel, ...(other ? { residual: other } : {}) },
          writes: { y: dx.operand },
          fields: { m, n: k, k: n, bKind: TRANSPOSED, bias: places.zeros },
        });
        return dx.operand;
      });
    });
    return y;
  }

  /** The gradient of a layer's matrix, and of its bias. */
  private giveMatrix({ kernel, bias }: LayerNames, { x, y, dz }: { x: Value; y: Value; dz: Operand }): void {
    const { trainable, places } = this.options;
    const biasLearns = bias !== undefined && trainable.has(bias);
    if (!trainable.has(kernel)) {
      if (biasLearns) throw new Untrainable(`${kernel}: a bias that learns without its matrix`);
      return;
    }
    const n = y.width;
    this.step('product', 0, {
      reads: { a: x.remake?.() ?? x.operand, b: dz },
      writes: {
        y: this.gradientOf(kernel, n),
        ...(biasLearns ? { sums: this.gradientOf(bias, n) } : {}),
      },
      fields: {
        m: x.width,
        n,
        k: this.rowsOf(x),
        aKind: TRANSPOSED,
        bias: places.zeros,
        exact: 1,
        accumulate: places.accumulate,
      },
    });
  }

  private dropPath(rate: number): Operand {
    const factors: Operand = { bytes: this.options.batch * 4 + 64, stride: 0 };
    this.dropPaths.push({ rate, factors });
    return factors;
  }

  /** The gradient of a branch before its scale and its images' factors. */
  private scaleBack(
    dy: Operand,
    y: Value,
    { scale, z, factors }: { scale?: string; z?: Operand; factors?: Operand },
  ): Operand {
    const m = this.rowsOf(y);
    const du = this.value(y.tokens, y.width).operand;
    const learns = scale !== undefined && this.options.trainable.has(scale);
    const line = paddedWidth(y.width);
    const chunks = Math.ceil(m / this.options.shape.chunk);
    const sums: Operand | undefined = learns ? { bytes: chunks * line * 4, stride: line * 4 } : undefined;
    this.step('scaleGradient', chunks, {
      reads: { b: dy, ...(sums && z ? { z } : {}), ...(factors ? { factors } : {}) },
      writes: { y: du, ...(sums ? { sums } : {}) },
      fields: {
        m,
        n: y.width,
        scale: scale ? this.addressOf(scale) : 0,
        imageRows: y.tokens ?? 1,
        p1: line,
      },
    });
    if (sums) this.reduce(sums, 0, sums.stride, chunks, scale!, y.width);
    return du;
  }

  protected slopeBack(dy: Operand, y: Value, { z, activation }: NonNullable<Value['before']>): Operand {
    const dz = this.value(y.tokens, y.width).operand;
    this.step('slope', this.rowsOf(y), {
      reads: { b: dy, z },
      writes: { y: dz },
      fields: { n: y.width, activation },
    });
    return dz;
  }

  /** Norms over d values each: a row's width, or that of heads side by side. */
  protected norm(
    x: Value,
    { gamma, beta }: NormNames,
    epsilon: number,
    d: number,
    given?: { y: Value; column: number },
  ): Value {
    const learns = x.learns || this.anyLearns([gamma, beta]);
    const y = given?.y ?? this.value(x.tokens, x.width, learns);
    const inner = given ? x.width / 3 / d : x.width / d;
    const m = this.rowsOf(x) * inner;
    const chunks = Math.ceil(m / this.options.shape.chunk);
    const at = (operand: Operand): Operand =>
      given ? { ...operand, within: { operand, offset: given.column * 4 } } : operand;
    const common = { m, n: d, p0: inner, epsilon, gamma: this.addressOf(gamma) };
    this.step('layerNorm', chunks, {
      reads: { a: at(x.operand) },
      writes: { y: at(y.operand) },
      fields: { ...common, beta: this.addressOf(beta) },
    });
    const goBack = (dy: Operand, dx: Operand | undefined, residual: Operand | undefined) => {
      const trains = this.options.trainable.has(gamma);
      const line = paddedWidth(d);
      const sums: Operand | undefined = trains
        ? { bytes: 2 * chunks * line * 4, stride: line * 4 }
        : undefined;
      this.step('layerNormGradient', chunks, {
        reads: { a: at(x.operand), b: at(dy), ...(residual ? { residual } : {}) },
        writes: { ...(dx ? { y: at(dx) } : {}), ...(sums ? { sums } : {}) },
        fields: { ...common, p1: line },
      });
      if (!sums) return;
      this.reduce(sums, 0, 2 * sums.stride, chunks, gamma, d);
      this.reduce(sums, sums.stride, 2 * sums.stride, chunks, beta, d);
    };
    if (given) {
      this.headNorms.push(goBack);
      return y;
    }
    this.back(y, (dy) => {
      if (!x.learns) {
        goBack(dy, undefined, undefined);
        return;
      }
      this.give(x, (residual) => {
        const dx = this.value(x.tokens, x.width).operand;
        goBack(dy, dx, residual);
        return dx;
      });
    });
    return y;
  }

  /** The way back of head norms: they write parts of one gradient. */
  private headNorms: ((dy: Operand, dx: Operand, residual: undefined) => void)[] = [];

  /** Queries and keys, each head's through a norm, and the values as they are. */
  private normedHeads(x: Value, name: string, numHeads: number, epsilon: number): Value {
    const width = x.width / 3;
    const d = width / numHeads;
    const names = [`${name}.q_norm`, `${name}.k_norm`];
    const learns = x.learns || this.anyLearns(names.flatMap((norm) => [`${norm}.gamma`, `${norm}.beta`]));
    const y = this.value(x.tokens, x.width, learns);
    const ways = names.map((norm, i) => {
      this.norm(x, normNames(norm), epsilon, d, { y, column: i * width });
      return this.headNorms.pop()!;
    });
    const values = (operand: Operand): Operand => ({
      ...operand,
      within: { operand, offset: 2 * width * 4 },
    });
    const copy = (from: Operand, to: Operand) =>
      this.move(
        { ...y, operand: values(to) },
        { ...x, operand: values(from), width },
        {
          rows: x.tokens!,
          to: 0,
          reads: {},
        },
      );
    copy(x.operand, y.operand);
    this.back(y, (dy) => {
      if (!x.learns) throw new Untrainable(`${name}: head norms that learn alone`);
      this.give(x, (residual) => {
        const dx = this.value(x.tokens, x.width).operand;
        for (const goBack of ways) goBack(dy, dx, undefined);
        copy(dy, dx);
        return residual ? this.sum(x, dx, residual) : dx;
      });
    });
    return y;
  }

  /** A weight's gradient: the sums of rows, `stride` bytes apart from `offset` on. */
  protected reduce(
    rows: Operand,
    offset: number,
    stride: number,
    count: number,
    name: string,
    n: number,
  ): void {
    this.step('reduce', 1, {
      reads: { a: { bytes: rows.bytes, stride, within: { operand: rows, offset } } },
      writes: { y: this.gradientOf(name, n) },
      fields: { n, k: count, accumulate: this.options.places.accumulate },
    });
  }

  /** Rows of a weight's gradient: the sums over the images of rows of dy, which is y's gradient. */
  private sumRows(
    dy: Operand,
    y: Value,
    { name, to, from, count }: { name: string; to: number; from: number; count: number },
  ): void {
    const { batch, trainable, places } = this.options;
    if (!trainable.has(name)) return;
    this.step('sumImages', count, {
      reads: { a: dy },
      writes: { y: this.gradientOf(name, y.width, to) },
      fields: { m: batch, n: y.width, p1: from, p2: y.tokens!, accumulate: places.accumulate },
    });
  }

  /** Rows of each image. */
  private part(x: Value, from: number, count: number, tokens: number | undefined): Value {
    const y = this.value(tokens, x.width, x.learns);
    this.move(y, x, { rows: count, to: 0, from, reads: {} });
    this.back(y, (dy) => {
      this.give(x, (residual) => this.movedBack(dy, y, x, { from, count, residual }));
    });
    return y;
  }

  /** Rows of each image of x to rows of y. */
  protected move(
    y: Value,
    x: Pick<Value, 'operand' | 'tokens' | 'width'>,
    given: {
      rows: number;
      to: number;
      from?: number;
      reads: RecordedStep['reads'];
      factor?: number;
    },
  ): void {
    const { rows, to, from = 0, reads, factor = 1 } = given;
    this.step('moveRows', this.options.batch * rows, {
      reads: { a: x.operand, ...reads },
      writes: { y: y.operand },
      fields: {
        n: x.width,
        imageRows: rows,
        epsilon: factor,
        p0: x.tokens ?? 1,
        p1: from,
        p2: 1,
        p3: y.tokens ?? 1,
        p4: to,
        p5: 0,
        p6: rows,
      },
    });
  }

  /** The gradient of x of which rows `from` … `from + count` went to rows `first` on of y; of the others zero. */
  protected movedBack(
    dy: Operand,
    y: Value,
    x: Value,
    given: {
      first?: number;
      from?: number;
      count: number;
      residual: Operand | undefined;
      step?: number;
      factor?: number;
    },
  ): Operand {
    const { first = 0, from = 0, count, residual, step = 1, factor = 1 } = given;
    const dx = this.value(x.tokens, x.width);
    const tokens = x.tokens ?? 1;
    this.step('moveRows', this.options.batch * tokens, {
      reads: { a: dy, ...(residual ? { residual } : {}) },
      writes: { y: dx.operand },
      fields: {
        n: x.width,
        imageRows: tokens,
        epsilon: factor,
        p0: y.tokens ?? 1,
        p1: first,
        p2: step,
        p3: tokens,
        p4: 0,
        p5: from,
        p6: from + count,
      },
    });
    return dx.operand;
  }

  protected step(op: OpName, units: number, given: Pick<RecordedStep, 'reads' | 'writes' | 'fields'>): void {
    this.steps.push({ op, units, ...given });
  }
}

function normNames(name: string): NormNames {
  return { gamma: `${name}.gamma`, beta: `${name}.beta` };
}
