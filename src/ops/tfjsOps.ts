import * as tf from '@tensorflow/tfjs-core';
import { attention, attentionWeights } from './attention.js';
import { dropPath } from './dropPath.js';
import type {
  Activation,
  AttentionOptions,
  LinearOpOptions,
  Ops,
  ResidualOptions,
  TokensSpec,
} from './interface.js';
import { layerNorm } from './layerNorm.js';
import { type LinearOptions, linear } from './linear.js';
import { patchEmbed } from './patchEmbed.js';
import { quantizedLinear } from './quantizedLinear.js';

/** Gives a weight's tensor by its name, or undefined if the model has none of this name. */
export type WeightTensors = (name: string) => tf.Tensor | undefined;

/** How training differs from inference. */
export interface TrainingOptions {
  /** Whether drop path acts. */
  readonly training?: boolean;
  /** Gives the seed of each drop path mask; without it the masks are not repeatable. */
  readonly dropPathSeed?: () => number;
}

/** The operations on tfjs tensors, with gradients; the layers, features and training compute with them. */
export class TfjsOps implements Ops<tf.Tensor> {
  constructor(
    protected readonly weights: WeightTensors,
    protected readonly options: TrainingOptions = {},
  ) {}

  protected get<T extends tf.Tensor>(name: string): T {
    const weight = this.weights(name);
    if (!weight) throw new Error(`no weight is named ${name}`);
    return weight as T;
  }

  patchEmbed(images: tf.Tensor, name: string): tf.Tensor {
    const kernel = this.get<tf.Tensor4D>(`${name}.kernel`);
    return patchEmbed(images as tf.Tensor4D, kernel, this.weights(`${name}.bias`) as tf.Tensor1D | undefined);
  }

  addTokens(patches: tf.Tensor, { prefix, posEmbed, firstPatch }: TokensSpec): tf.Tensor {
    return tf.tidy(() => {
      const [batch, count, dim] = patches.shape as [number, number, number];
      const positions = posEmbed === null ? undefined : this.get<tf.Tensor3D>(posEmbed);
      const tokens = prefix.map(({ name }) => this.repeated(this.get<tf.Tensor3D>(name), batch));
      const all = (parts: tf.Tensor[]) => (parts.length === 1 ? parts[0]! : tf.concat(parts, 1));
      if (!positions) return all([...tokens, patches]);
      // One addition where the embeddings cover everything, or patches alone.
      const covered = prefix.every(({ position }) => position !== null);
      if (covered && positions.shape[1] === firstPatch + count)
        return tf.add(all([...tokens, patches]), positions);
      const slice = (from: number, length: number) => tf.slice(positions, [0, from, 0], [1, length, dim]);
      const placed = tokens.map((token, i) => {
        const { position } = prefix[i]!;
        return position === null ? token : tf.add(token, slice(position, token.shape[1] as number));
      });
      const patchPositions = firstPatch === 0 ? positions : slice(firstPatch, count);
      return all([...placed, tf.add(patches, patchPositions)]);
    });
  }

  /** By adding, not tf.tile: that one's gradient takes every sample apart. */
  private repeated(token: tf.Tensor3D, batch: number): tf.Tensor {
    return tf.add(tf.zeros([batch, token.shape[1], token.shape[2]]), token);
  }

  layerNorm(x: tf.Tensor, name: string, epsilon: number): tf.Tensor {
    return layerNorm(x, this.get(`${name}.gamma`), this.get(`${name}.beta`), epsilon);
  }

  linear(x: tf.Tensor, name: string, options: LinearOpOptions = {}): tf.Tensor {
    return this.product(x, name, options);
  }

  linearResidual(
    x: tf.Tensor,
    name: string,
    { residual, dropPath: rate = 0, ...options }: ResidualOptions<tf.Tensor>,
  ): tf.Tensor {
    if (!this.options.training || rate === 0) return this.product(x, name, options, residual);
    const branch = dropPath(this.product(x, name, options), rate, this.options.dropPathSeed?.());
    return tf.add(residual, branch);
  }

  private product(
    x: tf.Tensor,
    name: string,
    { activation, scale: scaleName }: LinearOpOptions,
    residual?: tf.Tensor,
  ): tf.Tensor {
    const bias = this.weights(`${name}.bias`) as tf.Tensor1D | undefined;
    const scale = scaleName === undefined ? undefined : this.get<tf.Tensor1D>(scaleName);
    if (activation === undefined || activation === 'gelu') {
      return this.multiply(x, name, { bias, activation, scale, residual });
    }
    return tf.tidy(() => {
      const activated = activate(this.multiply(x, name, { bias }), activation);
      const scaled = scale ? tf.mul(activated, scale) : activated;
      return residual ? tf.add(scaled, residual) : scaled;
    });
  }

  private multiply(x: tf.Tensor, name: string, options: LinearOptions): tf.Tensor {
    const kernel = this.get<tf.Tensor2D>(`${name}.kernel`);
    const scale = this.weights(`${name}.scale`) as tf.Tensor1D | undefined;
    return scale ? quantizedLinear(x, { codes: kernel, scale }, options) : linear(x, kernel, options);
  }

  swiglu(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const [a, b] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
      return tf.mul(activate(a, 'silu'), b);
    });
  }

  selfAttention(x: tf.Tensor, name: string, options: AttentionOptions): tf.Tensor {
    return tf.tidy(() => {
      const out = attention(this.qkv(x, name, options), options.numHeads);
      return options.queries === undefined ? out : this.firstTokens(out, options.queries);
    });
  }

  /** softmax(q kᵀ / √d) of every head: [B, T, D] → [B, numHeads, T, T]. */
  attentionWeights(x: tf.Tensor, name: string, options: AttentionOptions): tf.Tensor4D {
    return tf.tidy(() => attentionWeights(this.qkv(x, name, options), options.numHeads));
  }

  protected qkv(x: tf.Tensor, name: string, { numHeads, qkNorm }: AttentionOptions): tf.Tensor3D {
    const qkv = this.linear(x, `${name}.qkv`) as tf.Tensor3D;
    if (qkNorm === undefined) return qkv;
    const [batch, tokens, width] = qkv.shape;
    const [q, k, v] = tf.split(qkv, 3, -1) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const normed = (part: tf.Tensor, norm: string) => {
      const heads = tf.reshape(part, [batch, tokens, numHeads, width / 3 / numHeads]);
      return tf.reshape(this.layerNorm(heads, `${name}.${norm}`, qkNorm), part.shape);
    };
    return tf.concat([normed(q, 'q_norm'), normed(k, 'k_norm'), v], -1) as tf.Tensor3D;
  }

  latentAttention(x: tf.Tensor, name: string, numHeads: number): tf.Tensor {
    return tf.tidy(() => {
      const [batch, tokens, dim] = x.shape as [number, number, number];
      const heads = (part: tf.Tensor, rows: number) =>
        tf.transpose(tf.reshape(part, [-1, rows, numHeads, dim / numHeads]), [0, 2, 1, 3]);
      const latent = this.repeated(this.get<tf.Tensor3D>(`${name}.latent`), batch);
      const q = heads(tf.mul(this.linear(latent, `${name}.q`), 1 / Math.sqrt(dim / numHeads)), 1);
      const [k, v] = tf.split(this.linear(x, `${name}.kv`), 2, -1) as [tf.Tensor, tf.Tensor];
      const scores = tf.matMul(q, heads(k, tokens), false, true);
      const mixed = tf.matMul(tf.softmax(scores), heads(v, tokens));
      return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch, 1, dim]);
    });
  }

  firstTokens(x: tf.Tensor, count: number): tf.Tensor {
    const [batch, , dim] = x.shape as [number, number, number];
    return tf.slice(x, [0, 0, 0], [batch, count, dim]);
  }

  tokensFrom(x: tf.Tensor, from: number): tf.Tensor {
    const [batch, tokens, dim] = x.shape as [number, number, number];
    return tf.slice(x, [0, from, 0], [batch, tokens - from, dim]);
  }

  token(x: tf.Tensor, index: number): tf.Tensor {
    const [batch, , dim] = x.shape as [number, number, number];
    return tf.tidy(() => tf.reshape(tf.slice(x, [0, index, 0], [batch, 1, dim]), [batch, dim]));
  }

  meanTokens(x: tf.Tensor, from: number): tf.Tensor {
    return tf.tidy(() => tf.mean(this.tokensFrom(x, from), 1));
  }

  concat(parts: readonly tf.Tensor[]): tf.Tensor {
    return tf.concat([...parts], -1);
  }

  mean(parts: readonly tf.Tensor[]): tf.Tensor {
    if (parts.length === 1) return parts[0]!;
    return tf.tidy(() => tf.mul(tf.addN([...parts]), 1 / parts.length));
  }
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** A non-linearity of any shape, composed of tfjs' operations. */
function activate(x: tf.Tensor, activation: Exclude<Activation, 'gelu'>): tf.Tensor {
  switch (activation) {
    case 'gelu_tanh':
      return tf.tidy(() => {
        const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), SQRT_2_OVER_PI);
        return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
      });
    case 'quick_gelu':
      return tf.tidy(() => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))));
    case 'silu':
      return tf.tidy(() => tf.mul(x, tf.sigmoid(x)));
    case 'relu':
      return tf.relu(x);
    case 'tanh':
      return tf.tanh(x);
  }
}
