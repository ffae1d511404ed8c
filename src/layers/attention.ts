import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { attention, attentionWeights, type LinearOptions } from '../ops/index.js';
import { zeros } from './initializers.js';
import { addMatrix, type Matrix, type MatrixArgs, multiply } from './matrix.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type AttentionArgs = LayerArgs &
  MatrixArgs & {
    /** Divides the width of a token. */
    numHeads: number;
    /** Whether the query, key and value projection has a bias. */
    qkvBias: boolean;
  };

/**
 * Multi-head self-attention with its projections: [B, T, D] → [B, T, D].
 * Weights: qkv.kernel [D, 3D], qkv.bias [3D], proj.kernel [D, D], proj.bias [D]; quantized, qkv.scale and proj.scale.
 */
export class Attention extends tfl.layers.Layer {
  static className = 'DeitAttention';
  private readonly numHeads: number;
  private readonly qkvBias: boolean;
  private readonly quantization: MatrixArgs['quantization'];
  qkv!: Matrix;
  proj!: Matrix;

  constructor(args: AttentionArgs) {
    super(args);
    this.numHeads = args.numHeads;
    this.qkvBias = args.qkvBias;
    this.quantization = args.quantization;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = singleShape(inputShape).at(-1) as number;
    const add = addMatrix(this.addWeight.bind(this), this.quantization);
    this.qkv = add(`${this.name}.qkv`, [dim, 3 * dim]);
    if (this.qkvBias) {
      this.qkv.bias = this.addWeight(`${this.name}.qkv.bias`, [3 * dim], 'float32', zeros());
    }
    this.proj = add(`${this.name}.proj`, [dim, dim]);
    this.proj.bias = this.addWeight(`${this.name}.proj.bias`, [dim], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor3D {
    return this.forward(single(inputs));
  }

  /** As call; `scale` and `residual` go into the last projection (see linear). */
  forward(x: tf.Tensor3D, into: Pick<LinearOptions, 'scale' | 'residual'> = {}): tf.Tensor3D {
    return tf.tidy(() => {
      const heads = attention(multiply(x, this.qkv), this.numHeads);
      return multiply(heads, this.proj, into);
    });
  }

  /** The attention weights of an input: float32 [B, numHeads, T, T]. */
  weightsFor(x: tf.Tensor3D): tf.Tensor4D {
    return tf.tidy(() => attentionWeights(multiply(x, this.qkv), this.numHeads));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    const { numHeads, qkvBias, quantization } = this;
    return { ...super.getConfig(), numHeads, qkvBias, ...(quantization ? { quantization } : {}) };
  }
}

serialization.registerClass(Attention);
