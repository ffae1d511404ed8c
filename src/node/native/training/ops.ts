/** A forward pass as nodes of a TensorFlow graph, and from it, in reverse, the backward pass. */
import { Untrainable } from '../../../engines/wasm/training/index.js';
import { UserError } from '../../../errors.js';
import type {
  Activation,
  AttentionOptions,
  LinearOpOptions,
  Ops,
  ResidualOptions,
  TokensSpec,
} from '../../../ops/interface.js';
import { sizeOf } from '../../../shape.js';
import { activations } from './activations.js';
import type { Nodes } from './nodes.js';

/** A matrix [B · rows, width]: an image's tokens below each other, or its features. */
export interface Value {
  readonly node: string;
  /** Tokens of an image; 1 of features. */
  readonly rows: number;
  readonly width: number;
  /** Whether the loss's gradient is wanted of it: a weight that learns comes before it. */
  readonly learns: boolean;
  /** Of the images [B, H, W, C] alone: H, W and C. */
  readonly imageShape?: readonly [height: number, width: number, channels: number];
  /** What stands side by side in it. */
  readonly parts?: readonly Value[];
}

export interface TrainingOpsOptions {
  /** The node that reads a weight. */
  weight(name: string): string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly trainable: ReadonlySet<string>;
  /** Whether there is a backward pass, and branches are left out. */
  readonly training: boolean;
  /** float32 [branches, B]: what each branch that may be left out is multiplied by, of each image. */
  readonly dropFactors?: (branch: number) => string;
}

/** A value that the backward pass reads: the node is known once the forward pass is complete. */
type Kept = () => string;

/**
 * The operations as nodes of a graph. Each that has a part in what learns leaves its way back, and puts aside what that
 * needs: a later run takes it.
 */
export class TrainingOps implements Ops<Value> {
  /** Probability of each branch that may be left out, in the order of the forward pass. */
  readonly dropRates: number[] = [];
  /** Floats an image that are put aside. */
  keptFloats = 0;
  private readonly keptNodes: string[] = [];
  private readonly keptIndex = new Map<string, number>();
  private taken: readonly string[] = [];
  private readonly waysBack: (() => void)[] = [];
  private readonly gradients = new Map<Value, string[]>();
  private readonly weightGradients = new Map<string, string[]>();

  constructor(
    private readonly n: Nodes,
    private readonly options: TrainingOpsOptions,
  ) {}

  /** What the forward pass puts aside. */
  get kept(): readonly string[] {
    return this.keptNodes;
  }

  /**
   * Adds the backward pass.
   *
   * @param gradient of the loss by the output
   * @param taken what was put aside, as the run of the backward pass finds it
   * @returns the gradients of the weights that the loss reaches, in their shapes
   */
  goBack(output: Value, gradient: string, taken: readonly string[]): Map<string, string> {
    this.taken = taken;
    this.gradients.set(output, [gradient]);
    for (const back of this.waysBack.reverse()) back();
    const { n } = this;
    return new Map(
      [...this.weightGradients].map(([name, parts]) => [name, n.reshape(n.sumOf(parts), this.shapeOf(name))]),
    );
  }

  patchEmbed(images: Value, name: string): Value {
    const { n } = this;
    if (!images.imageShape) throw new Untrainable(`${name}: patches are cut of images`);
    const [height, width, channels] = images.imageShape;
    const [p, q] = this.shapeOf(`${name}.kernel`) as [number, number];
    const [down, across] = [Math.floor(height / p), Math.floor(width / q)];
    const filled = down * p === height && across * q === width;
    const cut = filled
      ? images.node
      : n.slice(images.node, [0, 0, 0, 0], [-1, down * p, across * q, channels]);
    const split = n.reshape(cut, [-1, down, p, across, q, channels]);
    const rows = n.reshape(n.transpose(split, [0, 1, 3, 2, 4, 5]), [-1, p * q * channels]);
    return this.product({ node: rows, rows: down * across, width: p * q * channels, learns: false }, name);
  }

  addTokens(patches: Value, spec: TokensSpec): Value {
    const { n } = this;
    const { width, rows: count } = patches;
    const { prefix, posEmbed } = spec;
    const lengths = prefix.map(({ name }) => sizeOf(this.shapeOf(name)) / width);
    const before = lengths.reduce((sum, length) => sum + length, 0);
    const tokens = before + count;
    const padded = n.pad(this.byImage(patches), [
      [0, 0],
      [before, 0],
      [0, 0],
    ]);
    const embeddings = this.embeddings(spec, lengths, { before, count, width });
    const added = embeddings === undefined ? padded : n.add(padded, embeddings);
    const names = [...prefix.map(({ name }) => name), ...(posEmbed === null ? [] : [posEmbed])];
    const learns = this.anyLearns(names);
    const y = this.value(n.reshape(added, [-1, width]), tokens, width, patches.learns || learns);
    this.back(y, (dy) => {
      const byImage = n.reshape(dy, [-1, tokens, width]);
      if (learns) this.embeddingsBack(spec, lengths, { sums: n.sum(byImage, 0), before, count, width });
      this.give(patches, () => n.reshape(n.slice(byImage, [0, before, 0], [-1, count, width]), [-1, width]));
    });
    return y;
  }

  /** What is added to zeros for the prefix tokens and to the patches: [1, T, D]. */
  private embeddings(
    { prefix, posEmbed, firstPatch }: TokensSpec,
    lengths: readonly number[],
    { before, count, width }: { before: number; count: number; width: number },
  ): string | undefined {
    const { n } = this;
    const { weight } = this.options;
    const positions = (from: number, length: number) =>
      n.slice(weight(posEmbed!), [0, from, 0], [1, length, width]);
    const parts = prefix.map(({ name, position }, i) => {
      const token = n.reshape(weight(name), [1, lengths[i]!, width]);
      return posEmbed === null || position === null ? token : n.add(token, positions(position, lengths[i]!));
    });
    if (posEmbed !== null) parts.push(positions(firstPatch, count));
    if (parts.length === 0) return undefined;
    const joined = n.concat(parts, 1);
    if (posEmbed !== null || before === 0) return joined;
    return n.pad(joined, [
      [0, 0],
      [0, count],
      [0, 0],
    ]);
  }

  /** @param sums of the gradients of all images' tokens, [T, D] */
  private embeddingsBack(
    { prefix, posEmbed, firstPatch }: TokensSpec,
    lengths: readonly number[],
    { sums, before, count, width }: { sums: string; before: number; count: number; width: number },
  ): void {
    const { n } = this;
    const rowsOf = (from: number, length: number) => n.slice(sums, [from, 0], [length, width]);
    const givePositions = (from: number, to: number, length: number) => {
      const all = this.shapeOf(posEmbed!)[1]!;
      this.giveWeight(posEmbed!, () =>
        n.pad(rowsOf(to, length), [
          [from, all - from - length],
          [0, 0],
        ]),
      );
    };
    let to = 0;
    for (const [i, { name, position }] of prefix.entries()) {
      const [at, length] = [to, lengths[i]!];
      this.giveWeight(name, () => rowsOf(at, length));
      if (posEmbed !== null && position !== null) givePositions(position, at, length);
      to += length;
    }
    if (posEmbed !== null) givePositions(firstPatch, before, count);
  }

  layerNorm(x: Value, name: string, epsilon: number): Value {
    return this.norm(x, name, epsilon);
  }

  linear(x: Value, name: string, { activation, scale }: LinearOpOptions = {}): Value {
    let y = this.product(x, name);
    if (activation !== undefined) y = this.activate(y, activation);
    return scale === undefined ? y : this.scaled(y, scale);
  }

  linearResidual(
    x: Value,
    name: string,
    { residual, dropPath = 0, ...options }: ResidualOptions<Value>,
  ): Value {
    const { n } = this;
    let branch = this.linear(x, name, options);
    if (branch.width !== residual.width || branch.rows !== residual.rows) {
      throw new UserError(`${name}: what is added to it has another shape than its result`);
    }
    if (this.options.training && dropPath > 0) branch = this.dropPath(branch, dropPath);
    const y = this.value(
      n.add(branch.node, residual.node),
      branch.rows,
      branch.width,
      branch.learns || residual.learns,
    );
    this.back(y, (dy) => {
      for (const part of [branch, residual]) this.give(part, () => dy);
    });
    return y;
  }

  swiglu(x: Value): Value {
    const { n } = this;
    const half = x.width / 2;
    if (!Number.isInteger(half)) {
      throw new UserError(`swiglu: a width of ${x.width} does not divide into halves`);
    }
    const a = this.columns(x, 0, half);
    const b = this.columns(x, half, half);
    const gate = this.activate(a, 'silu');
    const [keptGate, keptB] = x.learns ? [this.keep(gate, half), this.keep(b, half)] : [];
    const y = this.value(n.mul(gate.node, b.node), x.rows, half, x.learns);
    this.back(y, (dy) => {
      this.give(gate, () => n.mul(dy, keptB!()));
      this.give(b, () => n.mul(dy, keptGate!()));
    });
    return y;
  }

  selfAttention(x: Value, name: string, { numHeads, qkNorm, queries }: AttentionOptions): Value {
    const { n } = this;
    const { width, rows: tokens } = x;
    const size = headSize(name, width, numHeads);
    const qkv = this.product(x, `${name}.qkv`);
    // [3, B, heads, T, d]
    const byHead = n.transpose(n.reshape(qkv.node, [-1, tokens, 3, numHeads, size]), [2, 0, 3, 1, 4]);
    const parts = n
      .unpack(byHead, 3)
      .map((node) => this.value(node, tokens * numHeads, size, qkv.learns)) as [Value, Value, Value];
    this.way(() => {
      const gradients = parts.map((part) => this.gradientOf(part));
      if (gradients.every((gradient) => gradient === undefined)) return;
      const packed = n.pack(gradients as string[]);
      this.give(qkv, () => n.reshape(n.transpose(packed, [1, 3, 0, 2, 4]), [-1, 3 * width]));
    });
    let [q, k, v] = parts;
    if (qkNorm !== undefined) {
      q = this.headNorm(q, `${name}.q_norm`, qkNorm, [numHeads, tokens]);
      k = this.headNorm(k, `${name}.k_norm`, qkNorm, [numHeads, tokens]);
    }
    if (queries !== undefined) q = this.firstQueries(q, [numHeads, tokens, size], queries);
    return this.attend({ q, k, v, heads: numHeads, queries: queries ?? tokens, tokens, size });
  }

  latentAttention(x: Value, name: string, numHeads: number): Value {
    const { n } = this;
    const { width, rows: tokens } = x;
    const size = headSize(name, width, numHeads);
    const latent = this.latent(`${name}.latent`, width);
    const query = this.product(latent, `${name}.q`);
    const kv = this.product(x, `${name}.kv`);
    const byHead = n.transpose(n.reshape(kv.node, [-1, tokens, 2, numHeads, size]), [2, 0, 3, 1, 4]);
    const [k, v] = n
      .unpack(byHead, 2)
      .map((node) => this.value(node, tokens * numHeads, size, kv.learns)) as [Value, Value];
    const q = this.value(n.reshape(query.node, [1, numHeads, 1, size]), numHeads, size, query.learns);
    this.way(() => {
      const dq = this.gradientOf(q);
      if (dq !== undefined) this.give(query, () => n.reshape(n.sum(dq, 0), [1, width]));
      const parts = [k, v].map((part) => this.gradientOf(part));
      if (parts.every((part) => part === undefined)) return;
      const packed = n.pack(parts as string[]);
      this.give(kv, () => n.reshape(n.transpose(packed, [1, 3, 0, 2, 4]), [-1, 2 * width]));
    });
    return this.attend({ q, k, v, heads: numHeads, queries: 1, tokens, size });
  }

  firstTokens(x: Value, count: number): Value {
    return this.tokens(x, 0, count);
  }

  tokensFrom(x: Value, from: number): Value {
    return this.tokens(x, from, x.rows - from);
  }

  token(x: Value, index: number): Value {
    return this.tokens(x, index, 1);
  }

  meanTokens(x: Value, from: number): Value {
    const { n } = this;
    const read = this.tokens(x, from, x.rows - from);
    const y = this.value(n.mean(this.byImage(read), 1), 1, x.width, x.learns);
    this.back(y, (dy) => {
      this.give(read, () => {
        const shares = n.reshape(n.times(dy, 1 / read.rows), [-1, 1, x.width]);
        const rows = n.op('Fill', [n.ints([1, read.rows, 1]), n.scalar(1)]);
        return n.reshape(n.mul(shares, rows), [-1, x.width]);
      });
    });
    return y;
  }

  concat(parts: readonly Value[]): Value {
    const { n } = this;
    if (parts.length === 1) return parts[0]!;
    const nodes = parts.map((part) => part.node);
    const width = parts.reduce((sum, part) => sum + part.width, 0);
    const learns = parts.some((part) => part.learns);
    const y = { ...this.value(n.concat(nodes, 1), 1, width, learns), parts };
    this.back(y, (dy) => {
      let from = 0;
      for (const part of parts) {
        const begin = from;
        this.give(part, () => n.slice(dy, [0, begin], [-1, part.width]));
        from += part.width;
      }
    });
    return y;
  }

  mean(parts: readonly Value[]): Value {
    const { n } = this;
    const [first] = parts as [Value];
    if (parts.length === 1) return first;
    const node = n.times(n.sumOf(parts.map((part) => part.node)), 1 / parts.length);
    const y = this.value(
      node,
      first.rows,
      first.width,
      parts.some(({ learns }) => learns),
    );
    this.back(y, (dy) => {
      const share = n.times(dy, 1 / parts.length);
      for (const part of parts) this.give(part, () => share);
    });
    return y;
  }

  /** The first parts of features, as many as have `width` columns: no gradient reaches the others. */
  firstParts(x: Value, width: number): Value {
    if (width === x.width) return x;
    const parts: Value[] = [];
    for (let left = width; left > 0; left -= parts.at(-1)!.width) {
      const part = x.parts?.[parts.length];
      if (!part) throw new Error(`no parts of ${width} columns stand side by side`);
      parts.push(part);
    }
    return this.concat(parts);
  }

  private columns(x: Value, from: number, count: number): Value {
    const { n } = this;
    if (count === x.width) return x;
    const y = this.value(n.slice(x.node, [0, from], [-1, count]), x.rows, count, x.learns);
    this.back(y, (dy) => {
      this.give(x, () =>
        n.pad(dy, [
          [0, 0],
          [from, x.width - from - count],
        ]),
      );
    });
    return y;
  }

  /** x · kernel + bias. */
  private product(x: Value, name: string): Value {
    const { n } = this;
    const [kernelName, biasName] = [`${name}.kernel`, `${name}.bias`];
    if (this.options.shapes.has(`${name}.scale`)) throw new Untrainable(`${name}: a quantized matrix`);
    const shape = this.shapeOf(kernelName);
    const width = shape.at(-1)!;
    if (sizeOf(shape) !== x.width * width) {
      throw new UserError(
        `${kernelName}: its shape is [${shape}], and its layer needs [${x.width}, ${width}]`,
      );
    }
    const biased = this.options.shapes.has(biasName);
    const kernel = () => {
      const read = this.options.weight(kernelName);
      return shape.length === 2 ? read : n.reshape(read, [x.width, width]);
    };
    const product = n.matMul(x.node, kernel());
    const node = biased ? n.biasAdd(product, this.options.weight(biasName)) : product;
    const kernelLearns = this.anyLearns([kernelName]);
    const y = this.value(
      node,
      x.rows,
      width,
      x.learns || this.anyLearns(biased ? [kernelName, biasName] : [kernelName]),
    );
    const kept = kernelLearns ? this.keep(x, x.rows * x.width) : undefined;
    this.back(y, (dy) => {
      this.giveWeight(kernelName, () => n.matMul(kept!(), dy, { a: true }));
      if (biased) this.giveWeight(biasName, () => n.columnSums(dy));
      this.give(x, () => n.matMul(dy, kernel(), { b: true }));
    });
    return y;
  }

  private activate(z: Value, activation: Activation): Value {
    const activated = activations[activation](this.n, z.node);
    const y = this.value(activated.y, z.rows, z.width, z.learns);
    const kept = z.learns ? activated.keeps.map((node) => this.keep({ node }, z.rows * z.width)) : [];
    this.back(y, (dy) => {
      this.give(z, () =>
        activated.back(
          dy,
          kept.map((take) => take()),
        ),
      );
    });
    return y;
  }

  /** x with each column multiplied by a weight. */
  private scaled(x: Value, name: string): Value {
    const { n } = this;
    const gamma = this.options.weight(name);
    const learns = this.anyLearns([name]);
    const kept = learns ? this.keep(x, x.rows * x.width) : undefined;
    const y = this.value(n.mul(x.node, gamma), x.rows, x.width, x.learns || learns);
    this.back(y, (dy) => {
      this.giveWeight(name, () => n.columnSums(n.mul(dy, kept!())));
      this.give(x, () => n.mul(dy, gamma));
    });
    return y;
  }

  private dropPath(x: Value, rate: number): Value {
    const { n } = this;
    const factors = n.reshape(this.options.dropFactors!(this.dropRates.length), [-1, 1, 1]);
    this.dropRates.push(rate);
    const apply = (node: string, by: string) =>
      n.reshape(n.mul(n.reshape(node, [-1, x.rows, x.width]), by), [-1, x.width]);
    const kept = x.learns ? this.keep({ node: factors }, 1) : undefined;
    const y = this.value(apply(x.node, factors), x.rows, x.width, x.learns);
    this.back(y, (dy) => this.give(x, () => apply(dy, kept!())));
    return y;
  }

  /**
   * A layer norm over the last axis: x̂ = (x − mean) / √(variance + ε), y = γ x̂ + β. Back, with g = γ dy:
   * dx = (g − mean(g) − x̂ mean(g x̂)) / √(variance + ε).
   */
  private norm(x: Value, name: string, epsilon: number): Value {
    const { n } = this;
    const { rows, width } = x;
    const [gammaName, betaName] = [`${name}.gamma`, `${name}.beta`];
    const gamma = this.options.weight(gammaName);
    const centred = n.sub(x.node, n.mean(x.node, -1, true));
    const variance = n.mean(n.op('Square', [centred]), -1, true);
    const inverse = n.op('Rsqrt', [n.add(variance, n.scalar(epsilon))]);
    const normal = n.mul(centred, inverse);
    const learns = x.learns || this.anyLearns([gammaName, betaName]);
    const y = this.value(n.add(n.mul(normal, gamma), this.options.weight(betaName)), rows, width, learns);
    const keptNormal = learns ? this.keep({ node: normal }, rows * width) : undefined;
    const keptInverse = x.learns ? this.keep({ node: inverse }, rows) : undefined;
    this.back(y, (dy) => {
      const product = n.mul(dy, keptNormal!());
      this.giveWeight(gammaName, () => n.columnSums(product));
      this.giveWeight(betaName, () => n.columnSums(dy));
      this.give(x, () => {
        const g = n.mul(dy, gamma);
        const column = n.times(n.reshape(gamma, [width, 1]), 1 / width);
        // The means as products: each is a pass less.
        const along = n.mul(keptNormal!(), n.matMul(product, column));
        const level = n.matMul(dy, column);
        return n.mul(n.sub(n.sub(g, level), along), keptInverse!());
      });
    });
    return y;
  }

  /** The layer norm of each head: [B, heads, T, d]. */
  private headNorm(x: Value, name: string, epsilon: number, axes: readonly number[]): Value {
    const { n } = this;
    const flat = this.value(n.reshape(x.node, [-1, x.width]), x.rows, x.width, x.learns);
    this.back(flat, (dy) => this.give(x, () => n.reshape(dy, [-1, ...axes, x.width])));
    const normed = this.norm(flat, name, epsilon);
    const y = this.value(n.reshape(normed.node, [-1, ...axes, x.width]), x.rows, x.width, normed.learns);
    this.back(y, (dy) => this.give(normed, () => n.reshape(dy, [-1, x.width])));
    return y;
  }

  /** The queries of the first tokens: [B, heads, T, d] → [B, heads, count, d]. */
  private firstQueries(
    x: Value,
    [heads, tokens, size]: readonly [number, number, number],
    count: number,
  ): Value {
    const { n } = this;
    const y = this.value(
      n.slice(x.node, [0, 0, 0, 0], [-1, heads, count, size]),
      heads * count,
      size,
      x.learns,
    );
    this.back(y, (dy) => {
      this.give(x, () =>
        n.pad(dy, [
          [0, 0],
          [0, 0],
          [0, tokens - count],
          [0, 0],
        ]),
      );
    });
    return y;
  }

  /** softmax(q kᵀ / √d) v: q [B or 1, heads, queries, d], k, v [B, heads, T, d] → [B · queries, heads · d]. */
  private attend(given: {
    readonly q: Value;
    readonly k: Value;
    readonly v: Value;
    readonly heads: number;
    readonly queries: number;
    readonly tokens: number;
    readonly size: number;
  }): Value {
    const { n } = this;
    const { q, k, v, heads, queries, tokens, size } = given;
    const factor = 1 / Math.sqrt(size);
    const query = n.times(q.node, factor);
    const weights = n.op('Softmax', [n.batchMatMul(query, k.node, { b: true })]);
    const mixed = n.batchMatMul(weights, v.node);
    const width = heads * size;
    const node = n.reshape(n.transpose(mixed, [0, 2, 1, 3]), [-1, width]);
    const learns = q.learns || k.learns || v.learns;
    const y = this.value(node, queries, width, learns);
    if (!learns) return y;
    const kept = {
      query: this.keep({ node: query }, q.rows * size),
      k: this.keep(k, k.rows * size),
      v: this.keep(v, v.rows * size),
      weights: this.keep({ node: weights }, heads * queries * tokens),
      mixed: this.keep({ node: mixed }, queries * width),
    };
    this.back(y, (dy) => {
      const byHead = n.transpose(n.reshape(dy, [-1, queries, heads, size]), [0, 2, 1, 3]);
      this.give(v, () => n.batchMatMul(kept.weights(), byHead, { a: true }));
      if (!q.learns && !k.learns) return;
      const dWeights = n.batchMatMul(byHead, kept.v(), { b: true });
      // Σ over the keys of weights · dWeights, from the smaller side.
      const level = n.sum(n.mul(byHead, kept.mixed()), -1, true);
      const scores = n.mul(n.sub(dWeights, level), kept.weights());
      this.give(q, () => n.times(n.batchMatMul(scores, kept.k()), factor));
      this.give(k, () => n.batchMatMul(scores, kept.query(), { a: true }));
    });
    return y;
  }

  /** A learned row, one for all images. */
  private latent(name: string, width: number): Value {
    const y = this.value(
      this.n.reshape(this.options.weight(name), [1, width]),
      1,
      width,
      this.anyLearns([name]),
    );
    this.back(y, (dy) => this.giveWeight(name, () => dy));
    return y;
  }

  /** Tokens of each image. */
  private tokens(x: Value, from: number, count: number): Value {
    const { n } = this;
    if (count === x.rows) return x;
    const { width } = x;
    const part = n.slice(this.byImage(x), [0, from, 0], [-1, count, width]);
    const y = this.value(n.reshape(part, [-1, width]), count, width, x.learns);
    this.back(y, (dy) => {
      this.give(x, () => {
        const padded = n.pad(n.reshape(dy, [-1, count, width]), [
          [0, 0],
          [from, x.rows - from - count],
          [0, 0],
        ]);
        return n.reshape(padded, [-1, width]);
      });
    });
    return y;
  }

  private byImage({ node, rows, width }: Value): string {
    return this.n.reshape(node, [-1, rows, width]);
  }

  private value(node: string, rows: number, width: number, learns: boolean): Value {
    return { node, rows, width, learns: learns && this.options.training };
  }

  private shapeOf(name: string): readonly number[] {
    const shape = this.options.shapes.get(name);
    if (!shape) throw new Error(`the model's table of weights has no ${name}`);
    return shape;
  }

  private anyLearns(names: readonly string[]): boolean {
    return this.options.training && names.some((name) => this.options.trainable.has(name));
  }

  private keep({ node }: Pick<Value, 'node'>, floats: number): Kept {
    let index = this.keptIndex.get(node);
    if (index === undefined) {
      index = this.keptNodes.push(node) - 1;
      this.keptIndex.set(node, index);
      this.keptFloats += floats;
    }
    return () => this.taken[index]!;
  }

  private way(go: () => void): void {
    this.waysBack.push(go);
  }

  /** `go` is called in the backward pass with the gradient of y, if anything asks for one. */
  private back(y: Value, go: (dy: string) => void): void {
    if (!y.learns) return;
    this.way(() => {
      const dy = this.gradientOf(y);
      if (dy !== undefined) go(dy);
    });
  }

  private gradientOf(x: Value): string | undefined {
    const parts = this.gradients.get(x);
    return parts && this.n.sumOf(parts);
  }

  private give(x: Value, make: () => string): void {
    if (!x.learns) return;
    this.gradients.set(x, [...(this.gradients.get(x) ?? []), make()]);
  }

  private giveWeight(name: string, make: () => string): void {
    if (!this.options.trainable.has(name)) return;
    this.weightGradients.set(name, [...(this.weightGradients.get(name) ?? []), make()]);
  }
}

function headSize(name: string, width: number, heads: number): number {
  const size = width / heads;
  if (Number.isInteger(size)) return size;
  throw new UserError(`${name}: ${width} does not divide into ${heads} heads`);
}
