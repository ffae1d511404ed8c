import type {
  Activation,
  AttentionOptions,
  LinearOpOptions,
  Ops,
  ResidualOptions,
  TokensSpec,
} from '../../ops/interface.js';
import { type Axes3, type Axes4, type ElementType, type Hlo, type HloWriter, tokensOf } from './stablehlo.js';

/** What attention is computed by: products and a softmax, or, with 16-bit types on CUDA, cuDNN's one kernel. */
export type AttentionKernel = 'products' | 'cudnn';

/** A weight of the program by its name; undefined if the model has none of this name. */
export type HloWeights = (name: string) => Hlo | undefined;

/**
 * The operations as StableHLO. Products are of `type`; norms, softmax and non-linearities are computed in float32, as
 * PyTorch's autocast does.
 */
export class HloOps implements Ops<Hlo> {
  constructor(
    private readonly h: HloWriter,
    private readonly weights: HloWeights,
    private readonly type: ElementType,
    private readonly attentionKernel: AttentionKernel = 'products',
  ) {}

  private get(name: string): Hlo {
    const weight = this.weights(name);
    if (!weight) throw new Error(`no weight is named ${name}`);
    return weight;
  }

  patchEmbed(images: Hlo, name: string): Hlo {
    const { h } = this;
    const kernel = this.get(`${name}.kernel`);
    const [p, q, channels, dim] = kernel.shape as Axes4;
    const [batch, height, width] = images.shape as Axes4;
    const [rows, columns] = [Math.floor(height / p), Math.floor(width / q)];
    const whole = h.slice(h.slice(h.convert(images, this.type), 1, 0, rows * p), 2, 0, columns * q);
    const split = h.reshape(whole, [batch, rows, p, columns, q, channels]);
    const patches = h.reshape(h.transpose(split, [0, 1, 3, 2, 4, 5]), [
      batch,
      rows * columns,
      p * q * channels,
    ]);
    const projected = h.dot(patches, h.reshape(kernel, [p * q * channels, dim]), [2, 0]);
    return this.withBias(projected, name);
  }

  private withBias(x: Hlo, name: string): Hlo {
    const bias = this.weights(`${name}.bias`);
    return bias ? this.h.binary('add', x, this.h.alongLast(bias, x)) : x;
  }

  addTokens(patches: Hlo, { prefix, posEmbed, firstPatch }: TokensSpec): Hlo {
    const { h } = this;
    const [batch, count, dim] = patches.shape as Axes3;
    const positions = posEmbed === null ? undefined : this.get(posEmbed);
    const repeated = (x: Hlo) => h.broadcast(x, [0, 1, 2], [batch, tokensOf(x), dim]);
    const at = (from: number, length: number) => h.slice(positions!, 1, from, from + length);
    const tokens = prefix.map(({ name, position }) => {
      const token = this.get(name);
      const placed =
        position === null || !positions ? token : h.binary('add', token, at(position, tokensOf(token)));
      return repeated(placed);
    });
    const placed = positions ? h.binary('add', patches, repeated(at(firstPatch, count))) : patches;
    return h.concatenate([...tokens, placed], 1);
  }

  layerNorm(x: Hlo, name: string, epsilon: number): Hlo {
    const { h } = this;
    const x32 = h.convert(x, 'f32');
    const last = x.shape.length - 1;
    const rows = x.shape.slice(0, -1).map((_, i) => i);
    const mean = (y: Hlo) => h.times(h.reduce('add', y, last), 1 / x.shape[last]!);
    const centred = h.binary('subtract', x32, h.broadcast(mean(x32), rows, x.shape));
    const variance = mean(h.binary('multiply', centred, centred));
    const inverse = h.unary('rsqrt', h.binary('add', variance, h.like(epsilon, variance)));
    const normed = h.binary('multiply', centred, h.broadcast(inverse, rows, x.shape));
    const scaled = h.binary('multiply', normed, h.alongLast(this.get(`${name}.gamma`), normed));
    return h.convert(h.binary('add', scaled, h.alongLast(this.get(`${name}.beta`), scaled)), this.type);
  }

  linear(x: Hlo, name: string, { activation, scale }: LinearOpOptions = {}): Hlo {
    const { h } = this;
    const product = h.dot(x, this.get(`${name}.kernel`), [x.shape.length - 1, 0]);
    const activated = this.activate(this.withBias(product, name), activation);
    return scale === undefined
      ? activated
      : h.binary('multiply', activated, h.alongLast(this.get(scale), activated));
  }

  linearResidual(x: Hlo, name: string, { residual, ...options }: ResidualOptions<Hlo>): Hlo {
    return this.h.binary('add', residual, this.linear(x, name, options));
  }

  private activate(x: Hlo, activation: Activation | undefined): Hlo {
    if (activation === undefined) return x;
    const { h } = this;
    return h.convert(activations[activation](h, h.convert(x, 'f32')), this.type);
  }

  swiglu(x: Hlo): Hlo {
    const { h } = this;
    const axis = x.shape.length - 1;
    const half = x.shape[axis]! / 2;
    return h.binary(
      'multiply',
      this.activate(h.slice(x, axis, 0, half), 'silu'),
      h.slice(x, axis, half, 2 * half),
    );
  }

  selfAttention(x: Hlo, name: string, { numHeads, qkNorm, queries }: AttentionOptions): Hlo {
    const { h } = this;
    const [batch, tokens, width] = x.shape as Axes3;
    const size = width / numHeads;
    const parts = h.reshape(this.linear(x, `${name}.qkv`), [batch, tokens, 3, numHeads, size]);
    const part = (index: number, norm?: string) => {
      const values = h.reshape(h.slice(parts, 2, index, index + 1), [batch, tokens, numHeads, size]);
      const normed =
        norm && qkNorm !== undefined ? this.layerNorm(values, `${name}.${norm}`, qkNorm) : values;
      return normed;
    };
    const q = h.slice(part(0, 'q_norm'), 1, 0, queries ?? tokens);
    return this.attend(q, part(1, 'k_norm'), part(2));
  }

  /** softmax(q kᵀ / √d) v of [B, rows, heads, d], heads side by side: [B, rows, D]. */
  private attend(q: Hlo, k: Hlo, v: Hlo): Hlo {
    const { h } = this;
    const [batch, rows, heads, size] = q.shape as Axes4;
    const mixed = this.takesCudnn(size)
      ? h.cudnnAttention(q, k, v, 1 / Math.sqrt(size))
      : this.mix(...([q, k, v].map((x) => h.transpose(x, [0, 2, 1, 3])) as [Hlo, Hlo, Hlo]));
    return h.reshape(h.transpose(mixed, [0, 2, 1, 3]), [batch, rows, heads * size]);
  }

  /** cuDNN's attention is for 16-bit types and heads of a multiple of 8 up to 128. */
  private takesCudnn(size: number): boolean {
    return this.attentionKernel === 'cudnn' && this.type !== 'f32' && size % 8 === 0 && size <= 128;
  }

  /** softmax(q kᵀ / √d) v by products: [B, heads, rows, d] of each and of the result. */
  private mix(q: Hlo, k: Hlo, v: Hlo): Hlo {
    const { h } = this;
    const [, , , size] = q.shape as Axes4;
    const pairs = [
      [0, 1],
      [0, 1],
    ] as const;
    const scores = h.dot(h.times(q, 1 / Math.sqrt(size)), k, [3, 3], pairs, 'f32');
    const rest = [0, 1, 2];
    const largest = h.broadcast(h.reduce('maximum', scores, 3), rest, scores.shape);
    const exponentials = h.unary('exponential', h.binary('subtract', scores, largest));
    const sums = h.broadcast(h.reduce('add', exponentials, 3), rest, scores.shape);
    const weights = h.convert(h.binary('divide', exponentials, sums), this.type);
    return h.dot(weights, v, [3, 2], pairs);
  }

  latentAttention(x: Hlo, name: string, numHeads: number): Hlo {
    const { h } = this;
    const [batch, tokens, width] = x.shape as Axes3;
    const size = width / numHeads;
    const latent = h.broadcast(this.get(`${name}.latent`), [0, 1, 2], [batch, 1, width]);
    const heads = (y: Hlo, rows: number) => h.reshape(y, [batch, rows, numHeads, size]);
    const kv = this.linear(x, `${name}.kv`);
    const half = (from: number) => heads(h.slice(kv, 2, from, from + width), tokens);
    return this.attend(heads(this.linear(latent, `${name}.q`), 1), half(0), half(width));
  }

  firstTokens(x: Hlo, count: number): Hlo {
    return this.h.slice(x, 1, 0, count);
  }

  tokensFrom(x: Hlo, from: number): Hlo {
    return this.h.slice(x, 1, from, tokensOf(x));
  }

  token(x: Hlo, index: number): Hlo {
    const [batch, , width] = x.shape as Axes3;
    return this.h.reshape(this.h.slice(x, 1, index, index + 1), [batch, width]);
  }

  meanTokens(x: Hlo, from: number): Hlo {
    const { h } = this;
    const tokens = h.convert(h.slice(x, 1, from, tokensOf(x)), 'f32');
    return h.convert(h.times(h.reduce('add', tokens, 1), 1 / (tokensOf(x) - from)), this.type);
  }

  concat(parts: readonly Hlo[]): Hlo {
    return this.h.concatenate(parts, 1);
  }

  mean(parts: readonly Hlo[]): Hlo {
    const { h } = this;
    const sum = parts.map((part) => h.convert(part, 'f32')).reduce((a, b) => h.binary('add', a, b));
    return parts.length === 1 ? sum : h.times(sum, 1 / parts.length);
  }
}

type Activate = (h: HloWriter, x: Hlo) => Hlo;

const activations: Readonly<Record<Activation, Activate>> = {
  gelu: (h, x) => {
    const cdf = h.times(h.binary('add', h.erf(h.times(x, Math.SQRT1_2)), h.like(1, x)), 0.5);
    return h.binary('multiply', x, cdf);
  },
  gelu_tanh: (h, x) => {
    const cube = h.binary('multiply', h.binary('multiply', x, x), x);
    const inner = h.times(h.binary('add', x, h.times(cube, 0.044715)), Math.sqrt(2 / Math.PI));
    return h.binary('multiply', h.times(x, 0.5), h.binary('add', h.unary('tanh', inner), h.like(1, x)));
  },
  quick_gelu: (h, x) => h.binary('multiply', x, h.unary('logistic', h.times(x, 1.702))),
  silu: (h, x) => h.binary('multiply', x, h.unary('logistic', x)),
  relu: (h, x) => h.binary('maximum', x, h.like(0, x)),
  tanh: (h, x) => h.unary('tanh', x),
};
