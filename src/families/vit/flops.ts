import { checkArguments } from '../../checkArguments.js';
import type {
  AttentionOptions,
  LinearOpOptions,
  Ops,
  ResidualOptions,
  TokensSpec,
} from '../../ops/interface.js';
import { sizeOf } from '../../shape.js';
import { prefixLengths, type VitConfig } from './config.js';
import { forward } from './forward.js';
import { isHeadWeight, weightSpecs } from './weights.js';

/** Multiply-adds for one image, by the two conventions in use. */
export interface Flops {
  /**
   * As fvcore counts the backbone: patch projection, linear layers, the attention products, and 5 an element for
   * each layer norm; without the heads.
   */
  readonly fvcore: number;
  /**
   * As mmpretrain's table has them: patch projection, linear layers and heads, and 1 an element for each non-linearity;
   * without the attention products. (That table repeats the plain models' figures for the distilled ones.)
   */
  readonly mmpretrain: number;
}

/** Multiply-adds of a model, from its shape alone. */
export function countFlops(config: VitConfig): Flops {
  checkArguments('countFlops', { config: ['config', config] });
  const counter = new CountingOps(config);
  forward(counter, config, [...config.imgSize, config.inChans]);
  const { projections, heads, attention, norms, activations } = counter;
  return {
    fvcore: projections + attention + norms,
    mmpretrain: projections + heads + activations,
  };
}

/** Number of parameters of a model; the scales of a quantized one are none. */
export function countParameters(config: VitConfig): number {
  checkArguments('countParameters', { config: ['config', config] });
  return weightSpecs({ ...config, quantization: undefined }).reduce(
    (sum, { shape }) => sum + sizeOf(shape),
    0,
  );
}

/** The shape of a value, without the batch: an image, tokens or one token's features. */
type Shape = readonly [number, ...number[]];
/** [T, D] of tokens, [from, to] of a matrix. */
type Rows = readonly [number, number];

/** Follows shapes through the forward pass and adds up what each operation multiplies. */
class CountingOps implements Ops<Shape> {
  projections = 0;
  heads = 0;
  attention = 0;
  norms = 0;
  activations = 0;
  private readonly shapes: ReadonlyMap<string, Shape>;
  private readonly prefix: ReadonlyMap<string, number>;

  constructor(config: VitConfig) {
    const specs = weightSpecs({ ...config, quantization: undefined });
    this.shapes = new Map(specs.map(({ name, shape }) => [name, shape as Shape]));
    this.prefix = prefixLengths(config);
  }

  private kernel(name: string): Shape {
    return this.shapes.get(`${name}.kernel`)!;
  }

  private matrix(name: string): Rows {
    return this.kernel(name) as Rows;
  }

  patchEmbed(image: Shape, name: string): Shape {
    const [height, width] = image as Rows;
    const kernel = this.kernel(name);
    const [p, q, , dim] = kernel as readonly [number, number, number, number];
    const patches = Math.floor(height / p) * Math.floor(width / q);
    this.projections += patches * sizeOf(kernel);
    return [patches, dim];
  }

  addTokens(x: Shape, { prefix }: TokensSpec): Shape {
    const [patches, dim] = x as Rows;
    return [prefix.reduce((sum, { name }) => sum + this.prefix.get(name)!, patches), dim];
  }

  layerNorm(x: Shape): Shape {
    this.norms += 5 * sizeOf(x);
    return x;
  }

  linear(x: Shape, name: string, { activation }: LinearOpOptions = {}): Shape {
    const [from, to] = this.matrix(name);
    const count = (sizeOf(x) / from) * from * to;
    if (isHeadWeight(`${name}.kernel`)) this.heads += count;
    else this.projections += count;
    const out = withWidth(x, to);
    if (activation) this.activations += sizeOf(out);
    return out;
  }

  linearResidual(x: Shape, name: string, options: ResidualOptions<Shape>): Shape {
    return this.linear(x, name, options);
  }

  swiglu(x: Shape): Shape {
    const out = withWidth(x, x.at(-1)! / 2);
    this.activations += sizeOf(out);
    return out;
  }

  selfAttention(x: Shape, name: string, { queries, qkNorm }: AttentionOptions): Shape {
    const [tokens, dim] = x as Rows;
    this.linear(x, `${name}.qkv`);
    if (qkNorm !== undefined) this.norms += 2 * 5 * sizeOf(x);
    const rows = queries ?? tokens;
    this.attention += 2 * rows * tokens * dim;
    return [rows, dim];
  }

  latentAttention(x: Shape, name: string): Shape {
    const [tokens, dim] = x as Rows;
    this.linear([1, dim], `${name}.q`);
    this.linear(x, `${name}.kv`);
    this.attention += 2 * tokens * dim;
    return [1, dim];
  }

  firstTokens(x: Shape, count: number): Shape {
    return [count, ...x.slice(1)];
  }

  tokensFrom([tokens, ...rest]: Shape, from: number): Shape {
    return [tokens - from, ...rest];
  }

  token(x: Shape): Shape {
    return [x.at(-1)!];
  }

  meanTokens(x: Shape): Shape {
    return [x.at(-1)!];
  }

  concat(parts: readonly Shape[]): Shape {
    return [parts.reduce((sum, [dim]) => sum + dim, 0)];
  }

  mean(parts: readonly Shape[]): Shape {
    return parts[0]!;
  }
}

function withWidth([first, ...rest]: Shape, width: number): Shape {
  return rest.length === 0 ? [width] : [first, ...rest.slice(0, -1), width];
}
