import type { WeightReader } from '../../../src/families/types.js';
import type {
  Activation,
  AttentionOptions,
  LinearOpOptions,
  Ops,
  ResidualOptions,
  TokensSpec,
} from '../../../src/ops/interface.js';
import {
  addProduct,
  addTo,
  centreOutput,
  centreRows,
  columns,
  foldNorm,
  type Linear,
  meanOf,
  multiplied,
  scaleColumns,
  scoreKernel,
  stackHeads,
} from './foldWeights.js';
import { bool, floatType, type GraphBuilder, int, ints, intType, string } from './graphBuilder.js';

const T = floatType;
const REDUCE = { T, Tidx: intType, keep_dims: bool(true) };
const SLICE_ATTRS = {
  T,
  Index: intType,
  // Bits of the axes taken whole: the first and the last of three.
  begin_mask: int(0b101),
  end_mask: int(0b101),
  ellipsis_mask: int(0),
  new_axis_mask: int(0),
  shrink_axis_mask: int(0),
};

/** How attention's projections are computed; see projectRows and projectHeads. */
export type Projection = 'rows' | 'heads';

/** A matrix [B · rows, width] of a graph: an image's tokens below each other, or its features. */
interface Matrix {
  readonly node: string;
  /** Tokens of an image; 1 of features. */
  readonly rows: number;
  readonly width: number;
  /** Whether the mean of every row is 0. */
  readonly centred?: boolean;
  /** Name of a layer norm whose gamma and beta are still to be applied. */
  readonly norm?: string;
  /** What the next product adds to its input: the value's bias, which attention passes through. */
  readonly bias?: () => Promise<Float32Array>;
}

/** What the graph computes with; the last two are nodes only once they are asked for. */
export type GraphValue =
  | { readonly kind: 'images'; readonly node: string }
  /** Projected patches without their bias, which goes into what addTokens adds. */
  | {
      readonly kind: 'patches';
      readonly node: string;
      readonly rows: number;
      readonly width: number;
      readonly name: string;
    }
  | ({ readonly kind: 'matrix' } & Matrix)
  | { readonly kind: 'token'; readonly source: Matrix; readonly index: number }
  | { readonly kind: 'head'; readonly source: Matrix; readonly index: number; readonly name: string };

/** Shapes of a model's weights by name. */
export type WeightShapes = ReadonlyMap<string, readonly number[]>;

export interface GraphOptions {
  readonly shapes: WeightShapes;
  readonly read: WeightReader;
  readonly projection: Projection;
  /** Number of patches of an image. */
  readonly patches: number;
  /**
   * Whether layer norms alone read what the blocks write: its mean over the D channels is then taken off in the weights,
   * and a layer norm is left with x / √(mean(x²) + ε).
   */
  readonly centred: boolean;
}

/**
 * The operations as nodes of a TensorFlow graph. Tokens are kept as a matrix [B·T, D], so that every product is a plain
 * MatMul which TensorFlow fuses with its bias and activation. Constant parts go into the weights:
 *
 * - a layer norm's gamma and beta go into the products behind it;
 * - attention's scale 1/√d goes into the query;
 * - the key's bias is dropped: it adds the same to every score of a query, which softmax ignores;
 * - the value's bias goes into the projection's: the attention weights of a query add up to 1;
 * - LayerScale goes into the projection and fc2;
 * - the mean of what is written to the residual stream is taken off (see GraphOptions).
 */
export class GraphOps implements Ops<GraphValue> {
  /** The block that is being added, for the names of its nodes. */
  private scope = '';
  private folded: { scope: string; values: Map<string, Promise<Linear>> } = { scope: '', values: new Map() };

  constructor(
    private readonly g: GraphBuilder,
    private readonly options: GraphOptions,
  ) {}

  patchEmbed(images: GraphValue, name: string): GraphValue {
    const { g, options } = this;
    if (images.kind !== 'images') throw new Error('patches are cut from images');
    const shape = options.shapes.get(`${name}.kernel`)!;
    const [p, q, , width] = shape as [number, number, number, number];
    const load = async () => {
      const kernel = await options.read(`${name}.kernel`);
      return options.centred ? centreRows(kernel, width) : kernel;
    };
    const kernel = g.weight(`${path(name)}/kernel`, { shape, load });
    const projected = g.op('Conv2D', `${path(name)}/projection`, [images.node, kernel], {
      T,
      strides: ints([1, p, q, 1]),
      dilations: ints([1, 1, 1, 1]),
      padding: string('VALID'),
      data_format: string('NHWC'),
    });
    return { kind: 'patches', node: projected, rows: options.patches, width, name };
  }

  addTokens(patches: GraphValue, spec: TokensSpec): GraphValue {
    const { g, options } = this;
    if (patches.kind !== 'patches') throw new Error('tokens are put before patches');
    const { rows: count, width } = patches;
    const lengths = spec.prefix.map(({ name }) => options.shapes.get(name)![1]!);
    const prefix = lengths.reduce((a, b) => a + b, 0);
    const flat = this.reshape(`${path(patches.name)}/patches`, patches.node, [-1, count, width]);
    const paddings = prefix > 0 ? g.ints('tokens/paddings', [0, 0, prefix, 0, 0, 0], [3, 2]) : '';
    const padded = prefix > 0 ? g.op('Pad', 'tokens/pad', [flat, paddings], { T, Tpaddings: intType }) : flat;
    const constant = g.weight('tokens/embeddings', {
      shape: [1, prefix + count, width],
      load: () => this.constantTokens(spec, lengths, patches),
    });
    const tokens = g.op('AddV2', 'tokens/add', [padded, constant]);
    const node = this.reshape('tokens/flat', tokens, [-1, width]);
    return { kind: 'matrix', node, rows: prefix + count, width, centred: options.centred };
  }

  /** What is added to the prefix rows of zeros and the projected patches, [T, D]: tokens, positions, patch bias. */
  private async constantTokens(
    { prefix, posEmbed, firstPatch }: TokensSpec,
    lengths: readonly number[],
    { rows, width, name }: { rows: number; width: number; name: string },
  ): Promise<Float32Array> {
    const { read, shapes, centred } = this.options;
    const position = posEmbed === null ? undefined : await read(posEmbed);
    const before = lengths.reduce((a, b) => a + b, 0);
    const tokens = new Float32Array((before + rows) * width);
    if (position) {
      const patches = position.subarray(firstPatch * width, (firstPatch + rows) * width);
      tokens.set(patches, before * width);
    }
    let at = 0;
    for (const [i, { name: token, position: place }] of prefix.entries()) {
      const part = tokens.subarray(at * width, (at + lengths[i]!) * width);
      if (place !== null && position) part.set(position.subarray(place * width, place * width + part.length));
      addTo(part, await read(token));
      at += lengths[i]!;
    }
    if (shapes.has(`${name}.bias`)) {
      const bias = await read(`${name}.bias`);
      for (let row = before * width; row < tokens.length; row += width) {
        addTo(tokens.subarray(row, row + width), bias);
      }
    }
    return centred ? centreRows(tokens, width) : tokens;
  }

  layerNorm(x: GraphValue, name: string, epsilon: number): GraphValue {
    if (name.startsWith('blocks.')) this.scope = parent(path(name));
    const input = this.applied(this.matrix(x));
    return { kind: 'matrix', ...this.normalised(input, path(name), epsilon), norm: name };
  }

  /** (x − mean) / √(variance + ε) over the last axis; the mean is known to be 0 where x is centred. */
  private normalised(x: Matrix, name: string, epsilon: number): Matrix {
    const { g } = this;
    let centred = x.node;
    if (!x.centred) {
      const mean = g.op('Mean', `${name}/centre/mean`, [x.node, g.ints(`${name}/centre/axis`, [-1])], REDUCE);
      centred = g.op('Sub', `${name}/centre`, [x.node, mean]);
    }
    const square = g.op('Square', `${name}/square`, [centred]);
    const axis = g.ints(`${name}/axis`, [x.centred ? 1 : -1]);
    const mean = g.op('Mean', `${name}/mean`, [square, axis], REDUCE);
    const shifted = g.op('AddV2', `${name}/add_epsilon`, [mean, g.scalar(`${name}/epsilon`, epsilon)]);
    const rsqrt = g.op('Rsqrt', `${name}/rsqrt`, [shifted]);
    const node = g.op('Mul', `${name}/normalise`, [centred, rsqrt]);
    return { node, rows: x.rows, width: x.width };
  }

  /** x with the gamma and beta of its layer norm. */
  private applied(x: Matrix): Matrix {
    if (x.norm === undefined) return x;
    const { g } = this;
    const { norm, ...rest } = x;
    const node = this.scaled(x.node, norm, path(norm));
    return { ...rest, node: g.op('AddV2', `${path(norm)}/shift`, node) };
  }

  /** Inputs of the addition that ends a layer norm. */
  private scaled(x: string, norm: string, name: string): [string, string] {
    const { g } = this;
    const { read, shapes } = this.options;
    const shape = shapes.get(`${norm}.gamma`)!;
    const gamma = g.weight(`${name}/gamma`, { shape, load: () => read(`${norm}.gamma`) });
    const beta = g.weight(`${name}/beta`, { shape, load: () => read(`${norm}.beta`) });
    return [g.op('Mul', `${name}/scale`, [x, gamma]), beta];
  }

  linear(x: GraphValue, name: string, options: LinearOpOptions = {}): GraphValue {
    if (x.kind === 'token' && options.activation === undefined) {
      return { kind: 'head', source: x.source, index: x.index, name };
    }
    const input = this.matrix(x);
    const out = this.product(input, name, async (linear) => this.withScale(linear, options.scale));
    return { kind: 'matrix', ...out, node: this.activate(out.node, name, options.activation) };
  }

  linearResidual(
    x: GraphValue,
    name: string,
    { residual, scale, activation }: ResidualOptions<GraphValue>,
  ): GraphValue {
    const kept = this.applied(this.matrix(residual));
    const out = this.product(this.matrix(x), name, async (linear) => {
      const scaled = await this.withScale(linear, scale);
      return kept.centred ? centreOutput(scaled) : scaled;
    });
    const branch = this.activate(out.node, name, activation);
    const node = this.g.op('AddV2', `${parent(path(name))}/residual`, [branch, kept.node]);
    return { kind: 'matrix', ...out, node, centred: kept.centred };
  }

  private async withScale(linear: Linear, scale: string | undefined): Promise<Linear> {
    return scaleColumns(linear, scale === undefined ? null : await this.options.read(scale));
  }

  /** x · kernel + bias, what x has still to be given folded in, and what `change` makes of both. */
  private product(x: Matrix, name: string, change: (linear: Linear) => Promise<Linear>): Matrix {
    const { g } = this;
    const shape = this.options.shapes.get(`${name}.kernel`)!;
    const fold = this.keep(name, async () => change(await this.foldInput(name, x)));
    const kernel = g.weight(`${path(name)}/kernel`, { shape, load: async () => (await fold()).kernel });
    const product = this.matMul(`${path(name)}/product`, x.node, kernel);
    const bias = g.weight(`${path(name)}/bias`, {
      shape: [shape[1]!],
      load: async () => (await fold()).bias,
    });
    const node = this.biasAdd(`${path(name)}/bias_add`, product, bias);
    return { node, rows: x.rows, width: shape[1]! };
  }

  /** A linear layer's weights with what its input has still to be given. */
  private async foldInput(
    name: string,
    { norm, bias: before }: Pick<Matrix, 'norm' | 'bias'>,
  ): Promise<Linear> {
    const { read, shapes } = this.options;
    const kernel = await read(`${name}.kernel`);
    const width = shapes.get(`${name}.kernel`)![1]!;
    const bias = shapes.has(`${name}.bias`) ? await read(`${name}.bias`) : new Float32Array(width);
    if (norm !== undefined) {
      return foldNorm({ kernel, bias }, await read(`${norm}.gamma`), await read(`${norm}.beta`));
    }
    return before === undefined
      ? { kernel, bias }
      : { kernel, bias: addProduct(bias, await before(), kernel) };
  }

  /** Remembers folded weights while nodes of the same block are written: only one block's are held. */
  private keep(name: string, make: () => Promise<Linear>): () => Promise<Linear> {
    const scope = this.scope;
    return () => {
      if (this.folded.scope !== scope) this.folded = { scope, values: new Map() };
      const { values } = this.folded;
      const known = values.get(name) ?? make();
      values.set(name, known);
      return known;
    };
  }

  private activate(x: string, name: string, activation: Activation | undefined): string {
    if (activation === undefined) return x;
    return activations[activation](this.g, `${parent(path(name))}/${activation}`, x);
  }

  swiglu(x: GraphValue): GraphValue {
    const { g } = this;
    const input = this.applied(this.matrix(x));
    const name = `${this.scope}/mlp/swiglu`;
    const axis = g.ints(`${name}/axis`, [-1], []);
    const halves = g.op('Split', `${name}/halves`, [axis, input.node], { T, num_split: int(2) });
    const gate = activations.silu(g, `${name}/silu`, halves);
    const node = g.op('Mul', name, [gate, `${halves}:1`]);
    return { kind: 'matrix', node, rows: input.rows, width: input.width / 2 };
  }

  selfAttention(x: GraphValue, name: string, { numHeads, qkNorm, queries }: AttentionOptions): GraphValue {
    const { g } = this;
    const input = this.matrix(x);
    const { rows: all, width } = input;
    const scope = path(name);
    const rows = queries ?? all;
    const qkv = this.keep(`${name}.qkv`, () => this.foldInput(`${name}.qkv`, input));
    const part = async (index: number) => columns(await qkv(), index * width, width);
    const query = this.keep(`${name}.query`, async () => {
      const folded = await part(0);
      return qkNorm === undefined ? multiplied(folded, 1 / Math.sqrt(width / numHeads)) : folded;
    });
    const projections: Projections = {
      scope,
      numHeads,
      width,
      weights: { query, key: () => part(1), value: () => part(2) },
      // With a norm behind it the key's bias is more than a constant.
      biased: qkNorm === undefined ? ['query'] : ['query', 'key'],
    };
    const project = this.options.projection === 'heads' ? this.projectHeads : this.projectRows;
    let [q, k, v] =
      queries === undefined
        ? project.call(this, projections, ['query', 'key', 'value'], input.node, all)
        : [
            ...project.call(
              this,
              projections,
              ['query'],
              this.slice(`${scope}/query/rows`, input, queries),
              rows,
            ),
            ...project.call(this, projections, ['key', 'value'], input.node, all),
          ];
    if (qkNorm !== undefined) {
      q = this.headNorm(q!, `${name}.q_norm`, qkNorm, 1 / Math.sqrt(width / numHeads));
      k = this.headNorm(k!, `${name}.k_norm`, qkNorm, 1);
    }
    const scores = this.batchMatMul(`${scope}/scores`, q!, k!, true);
    const softmax = g.op('Softmax', `${scope}/softmax`, [scores]);
    const mixed = this.batchMatMul(`${scope}/mix`, softmax, v!, false);
    const node = this.mergeHeads(`${scope}/merge`, mixed, width);
    return { kind: 'matrix', node, rows, width, bias: async () => (await part(2)).bias };
  }

  /** A layer norm over the width of each head, times `factor`: [B, heads, rows, d]. */
  private headNorm(x: string, norm: string, epsilon: number, factor: number): string {
    const { g } = this;
    const { read, shapes } = this.options;
    const name = path(norm);
    const { node } = this.normalised({ node: x, rows: 1, width: 1 }, name, epsilon);
    const shape = shapes.get(`${norm}.gamma`)!;
    const load = (part: string) => async () => (await read(`${norm}.${part}`)).map((value) => value * factor);
    const gamma = g.weight(`${name}/gamma`, { shape, load: load('gamma') });
    const beta = g.weight(`${name}/beta`, { shape, load: load('beta') });
    return g.op('AddV2', `${name}/shift`, [g.op('Mul', `${name}/scale`, [node, gamma]), beta]);
  }

  /** A product of all heads for each part, then transposed: what every executor of graphs computes rightly. */
  private projectRows(p: Projections, parts: readonly Part[], x: string, rows: number): string[] {
    const { g } = this;
    const { width, scope, weights, biased, numHeads } = p;
    return parts.map((part) => {
      const name = `${scope}/${part}`;
      const kernel = g.weight(`${name}/kernel`, {
        shape: [width, width],
        load: async () => (await weights[part]()).kernel,
      });
      let projected = this.matMul(`${name}/product`, x, kernel);
      if (biased.includes(part)) {
        const bias = g.weight(`${name}/bias`, {
          shape: [width],
          load: async () => (await weights[part]()).bias,
        });
        projected = this.biasAdd(`${name}/bias_add`, projected, bias);
      }
      return this.splitHeads(name, projected, rows, numHeads, width);
    });
  }

  /**
   * A product for each head of each part, in one operation that broadcasts the rows: nothing is transposed. TensorFlow
   * takes 6 % less time for one image of DeiT-tiny and 3 % less for eight; TensorFlow.js' own executor of graphs computes
   * such a product wrongly on its CPU backend.
   */
  private projectHeads(p: Projections, parts: readonly Part[], x: string, rows: number): string[] {
    const { g } = this;
    const { width: d, scope, weights, biased, numHeads: heads } = p;
    const size = d / heads;
    const stack = `${scope}/${parts.join('_')}`;
    const loadKernel = async () => {
      const kernels: Float32Array[] = [];
      for (const part of parts) kernels.push((await weights[part]()).kernel);
      return stackHeads(kernels, d, size);
    };
    const kernel = g.weight(`${stack}/kernel`, {
      shape: [parts.length, 1, heads, d, size],
      load: loadKernel,
    });
    const broadcast = this.reshape(`${stack}/rows`, x, [1, -1, 1, rows, d]);
    const multipliedHeads = this.batchMatMul(`${stack}/product`, broadcast, kernel, false);
    const unpacked = g.op('Unpack', stack, [multipliedHeads], { T, num: int(parts.length), axis: int(0) });
    return parts.map((part, i) => {
      const output = i === 0 ? unpacked : `${unpacked}:${i}`;
      if (!biased.includes(part)) return output;
      const loadBias = async () => (await weights[part]()).bias;
      const bias = g.weight(`${scope}/${part}/bias`, { shape: [1, heads, 1, size], load: loadBias });
      return g.op('AddV2', `${scope}/${part}/bias_add`, [output, bias]);
    });
  }

  latentAttention(x: GraphValue, name: string, numHeads: number): GraphValue {
    const { g } = this;
    const { read } = this.options;
    const input = this.matrix(x);
    const { rows, width: d } = input;
    const scope = path(name);
    const kv = this.keep(`${name}.kv`, () => this.foldInput(`${name}.kv`, input));
    // The query is constant: its scores are one product of the tokens.
    const loadScores = async () => {
      const latent = await read(`${name}.latent`);
      const query = addProduct(await read(`${name}.q.bias`), latent, await read(`${name}.q.kernel`));
      const scale = 1 / Math.sqrt(d / numHeads);
      const scaled = query.map((value) => value * scale);
      return scoreKernel(columns(await kv(), 0, d).kernel, scaled, numHeads);
    };
    const kernel = g.weight(`${scope}/scores/kernel`, { shape: [d, numHeads], load: loadScores });
    const product = this.matMul(`${scope}/scores/product`, input.node, kernel);
    const byHead = this.splitHeads(`${scope}/scores`, product, rows, numHeads, numHeads);
    const flat = this.reshape(`${scope}/scores/rows`, byHead, [-1, numHeads, 1, rows]);
    const softmax = g.op('Softmax', `${scope}/softmax`, [flat]);
    const valueKernel = g.weight(`${scope}/value/kernel`, {
      shape: [d, d],
      load: async () => columns(await kv(), d, d).kernel,
    });
    const values = this.matMul(`${scope}/value/product`, input.node, valueKernel);
    const heads = this.splitHeads(`${scope}/value`, values, rows, numHeads, d);
    const mixed = this.batchMatMul(`${scope}/mix`, softmax, heads, false);
    const node = this.mergeHeads(`${scope}/merge`, mixed, d);
    return { kind: 'matrix', node, rows: 1, width: d, bias: async () => columns(await kv(), d, d).bias };
  }

  firstTokens(x: GraphValue, count: number): GraphValue {
    const input = this.matrix(x);
    return {
      kind: 'matrix',
      ...input,
      node: this.slice(`${this.scope}/output_rows`, input, count),
      rows: count,
    };
  }

  tokensFrom(x: GraphValue, from: number): GraphValue {
    const input = this.matrix(x);
    const node = this.slice(`${this.scope}/patch_rows`, input, input.rows, from);
    return { ...input, kind: 'matrix', node, rows: input.rows - from };
  }

  /** Rows [from, to) of every image's: [B·T, D] → [B·(to − from), D]. */
  private slice(name: string, { node, rows, width }: Matrix, to: number, from = 0): string {
    const { g } = this;
    const byImage = this.reshape(`${name}/by_picture`, node, [-1, rows, width]);
    const bound = (part: string, row: number) => g.ints(`${name}/${part}`, [0, row, 0]);
    const bounds = [bound('begin', from), bound('end', to), g.ints(`${name}/strides`, [1, 1, 1])];
    const sliced = g.op('StridedSlice', `${name}/slice`, [byImage, ...bounds], SLICE_ATTRS);
    return this.reshape(`${name}/flat`, sliced, [-1, width]);
  }

  token(x: GraphValue, index: number): GraphValue {
    return { kind: 'token', source: this.matrix(x), index };
  }

  meanTokens(x: GraphValue, from: number): GraphValue {
    const { g } = this;
    const input = this.applied(this.matrix(x));
    const { rows, width } = input;
    const patches = from === 0 ? input.node : this.slice('patch_mean/tokens', input, rows, from);
    const byImage = this.reshape('patch_mean/by_picture', patches, [-1, rows - from, width]);
    const mean = g.op('Mean', 'patch_mean/mean', [byImage, g.ints('patch_mean/axis', [1])], REDUCE);
    return { kind: 'matrix', node: this.reshape('patch_mean', mean, [-1, width]), rows: 1, width };
  }

  concat(parts: readonly GraphValue[]): GraphValue {
    const { g } = this;
    const matrices = parts.map((part) => this.applied(this.matrix(part)));
    const axis = g.ints('concat/axis', [1], []);
    const node = g.op('ConcatV2', 'concat', [...matrices.map((part) => part.node), axis], {
      T,
      Tidx: intType,
      N: int(parts.length),
    });
    return { kind: 'matrix', node, rows: 1, width: matrices.reduce((sum, { width }) => sum + width, 0) };
  }

  mean(parts: readonly GraphValue[]): GraphValue {
    const whole = wholeSource(parts);
    if (whole?.kind === 'head') return this.heads(whole.source, whole.names);
    if (whole?.kind === 'token') return this.meanOfTokens(whole.source);
    const matrices = parts.map((part) => this.applied(this.matrix(part)));
    const [first, ...rest] = matrices as [Matrix, ...Matrix[]];
    if (rest.length === 0) return { kind: 'matrix', ...first };
    const { g } = this;
    const sum = rest.reduce((node, part) => g.op('AddV2', 'sum', [node, part.node]), first.node);
    const node = g.op('Mul', 'mean', [sum, g.scalar('mean/factor', 1 / parts.length)]);
    return { kind: 'matrix', ...first, node };
  }

  /** Heads that read all tokens of x in turn, as one product that gives the mean of their logits. */
  private heads(x: Matrix, names: readonly string[]): GraphValue {
    const { g } = this;
    const classes = this.options.shapes.get(`${names[0]}.kernel`)![1]!;
    const width = x.width * x.rows;
    const fold = this.keep('heads', async () => {
      const maps: Linear[] = [];
      for (const name of names) maps.push(await this.foldInput(name, x));
      return meanOf(maps);
    });
    const kernel = g.weight('head/kernel', {
      shape: [width, classes],
      load: async () => (await fold()).kernel,
    });
    const bias = g.weight('head/bias', { shape: [classes], load: async () => (await fold()).bias });
    const product = this.matMul('head/product', this.reshape('head/input', x.node, [-1, width]), kernel);
    return { kind: 'matrix', node: this.biasAdd('logits', product, bias), rows: 1, width: classes };
  }

  private meanOfTokens(x: Matrix): GraphValue {
    const { g } = this;
    const tokens = this.applied(x).node;
    const byImage = this.reshape('tokens', tokens, [-1, x.rows, x.width]);
    const mean = g.op('Mean', 'mean', [byImage, g.ints('mean/axis', [1])], REDUCE);
    return { kind: 'matrix', node: this.reshape('logits', mean, [-1, x.width]), rows: 1, width: x.width };
  }

  /** The value as a matrix whose node is there. */
  private matrix(x: GraphValue): Matrix {
    if (x.kind === 'matrix') return x;
    if (x.kind === 'token') {
      const { source, index } = x;
      if (source.rows === 1) return source;
      const node = this.slice(`token/${index}`, source, index + 1, index);
      return { node, rows: 1, width: source.width, norm: source.norm, centred: source.centred };
    }
    if (x.kind === 'head') {
      const token = this.matrix({ kind: 'token', source: x.source, index: x.index });
      return this.product(token, x.name, async (linear) => linear);
    }
    throw new Error(`${x.kind} are not tokens`);
  }

  /** Ends the forward pass: name and width of the output [B, width]. */
  output(x: GraphValue): { node: string; width: number } {
    return this.applied(this.matrix(x));
  }

  private matMul(name: string, x: string, kernel: string): string {
    return this.g.op('MatMul', name, [x, kernel], { T, transpose_a: bool(false), transpose_b: bool(false) });
  }

  private biasAdd(name: string, x: string, bias: string): string {
    return this.g.op('BiasAdd', name, [x, bias], { T, data_format: string('NHWC') });
  }

  private batchMatMul(name: string, x: string, y: string, transposeY: boolean): string {
    return this.g.op('BatchMatMulV2', name, [x, y], { T, adj_x: bool(false), adj_y: bool(transposeY) });
  }

  private reshape(name: string, x: string, dims: readonly number[]): string {
    return this.g.op('Reshape', name, [x, this.g.ints(`${name}/shape`, dims)], { T, Tshape: intType });
  }

  /** [B·rows, width] → [B, heads, rows, width / heads]. */
  private splitHeads(name: string, x: string, rows: number, heads: number, width: number): string {
    const split = this.reshape(`${name}/split`, x, [-1, rows, heads, width / heads]);
    return this.swapAxes(`${name}/heads`, split);
  }

  /** [B, heads, rows, width / heads] → [B·rows, width]. */
  private mergeHeads(name: string, x: string, width: number): string {
    return this.reshape(`${name}/flat`, this.swapAxes(`${name}/heads`, x), [-1, width]);
  }

  private swapAxes(name: string, x: string): string {
    const perm = this.g.ints(`${name}/perm`, [0, 2, 1, 3]);
    return this.g.op('Transpose', name, [x, perm], { T, Tperm: intType });
  }
}

type Part = 'query' | 'key' | 'value';

/** Attention's projections: the folded weights of each part, and which of them keep their bias. */
interface Projections {
  readonly scope: string;
  readonly numHeads: number;
  readonly width: number;
  readonly weights: Readonly<Record<Part, () => Promise<Linear>>>;
  readonly biased: readonly Part[];
}

/** The matrix whose tokens, all of them in order, the parts are or read. */
function wholeSource(
  parts: readonly GraphValue[],
): { kind: 'token' | 'head'; source: Matrix; names: string[] } | undefined {
  const names: string[] = [];
  const [first] = parts;
  if (first?.kind !== 'token' && first?.kind !== 'head') return undefined;
  if (first.source.rows !== parts.length) return undefined;
  for (const [index, part] of parts.entries()) {
    if (part.kind !== first.kind || part.source.node !== first.source.node || part.index !== index)
      return undefined;
    if (part.kind === 'head') names.push(part.name);
  }
  return { kind: first.kind, source: first.source, names };
}

/** `blocks.0.attn` → `blocks/0/attn`. */
function path(name: string): string {
  return name.replaceAll('.', '/');
}

function parent(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}

type Activate = (g: GraphBuilder, name: string, x: string) => string;

const activations: Readonly<Record<Activation, Activate>> = {
  /** x · ½(1 + erf(x/√2)), in the one form that TensorFlow's remapper fuses into the product before it (oneDNN). */
  gelu(g, name, x) {
    const scaled = g.op('Mul', `${name}/scale`, [x, g.scalar(`${name}/sqrt_half`, Math.SQRT1_2)]);
    const erf = g.op('Erf', `${name}/erf`, [scaled]);
    const plusOne = g.op('AddV2', `${name}/plus_one`, [erf, g.scalar(`${name}/one`, 1)]);
    const half = g.op('Mul', `${name}/halve`, [plusOne, g.scalar(`${name}/half`, 0.5)]);
    return g.op('Mul', name, [half, x]);
  },
  gelu_tanh(g, name, x) {
    const square = g.op('Square', `${name}/square`, [x]);
    const cube = g.op('Mul', `${name}/cube`, [square, x]);
    const small = g.op('Mul', `${name}/small`, [cube, g.scalar(`${name}/coefficient`, 0.044715)]);
    const sum = g.op('AddV2', `${name}/sum`, [x, small]);
    const inner = g.op('Mul', `${name}/inner`, [sum, g.scalar(`${name}/sqrt`, Math.sqrt(2 / Math.PI))]);
    const plusOne = g.op('AddV2', `${name}/plus_one`, [
      g.op('Tanh', `${name}/tanh`, [inner]),
      g.scalar(`${name}/one`, 1),
    ]);
    const half = g.op('Mul', `${name}/halve`, [plusOne, g.scalar(`${name}/half`, 0.5)]);
    return g.op('Mul', name, [half, x]);
  },
  quick_gelu(g, name, x) {
    const scaled = g.op('Mul', `${name}/scale`, [x, g.scalar(`${name}/factor`, 1.702)]);
    return g.op('Mul', name, [g.op('Sigmoid', `${name}/sigmoid`, [scaled]), x]);
  },
  silu: (g, name, x) => g.op('Mul', name, [g.op('Sigmoid', `${name}/sigmoid`, [x]), x]),
  relu: (g, name, x) => g.op('Relu', name, [x]),
  tanh: (g, name, x) => g.op('Tanh', name, [x]),
};
