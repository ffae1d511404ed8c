import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { attention, attentionWeights, type LinearOptions, linear } from '../ops/index.js';
import { normal02, zeros } from './initializers.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type AttentionArgs = LayerArgs & {
  /** Divides the width of a token. */
  numHeads: number;
  /** Whether the query, key and value projection has a bias. */
  qkvBias: boolean;
};

/**
 * Multi-head self-attention with its projections: [B, T, D] → [B, T, D].
 * Weights: qkv.kernel [D, 3D], qkv.bias [3D], proj.kernel [D, D], proj.bias [D].
 */
export class Attention extends tfl.layers.Layer {
  static className = 'DeitAttention';
  private readonly numHeads: number;
  private readonly qkvBias: boolean;
  private qkvKernel!: tfl.LayerVariable;
  private qkvBiasWeight?: tfl.LayerVariable;
  private projKernel!: tfl.LayerVariable;
  private projBias!: tfl.LayerVariable;

  constructor(args: AttentionArgs) {
    super(args);
    this.numHeads = args.numHeads;
    this.qkvBias = args.qkvBias;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = singleShape(inputShape).at(-1) as number;
    this.qkvKernel = this.addWeight(`${this.name}.qkv.kernel`, [dim, 3 * dim], 'float32', normal02());
    if (this.qkvBias) {
      this.qkvBiasWeight = this.addWeight(`${this.name}.qkv.bias`, [3 * dim], 'float32', zeros());
    }
    this.projKernel = this.addWeight(`${this.name}.proj.kernel`, [dim, dim], 'float32', normal02());
    this.projBias = this.addWeight(`${this.name}.proj.bias`, [dim], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor3D {
    return this.forward(single(inputs));
  }

  /** As call; `scale` and `residual` go into the last projection (see linear). */
  forward(x: tf.Tensor3D, into: Pick<LinearOptions, 'scale' | 'residual'> = {}): tf.Tensor3D {
    return tf.tidy(() => {
      const heads = attention(this.qkv(x), this.numHeads);
      const bias = this.projBias.read() as tf.Tensor1D;
      return linear(heads, this.projKernel.read() as tf.Tensor2D, { bias, ...into });
    });
  }

  /** The attention weights of an input: float32 [B, numHeads, T, T]. */
  weightsFor(x: tf.Tensor3D): tf.Tensor4D {
    return tf.tidy(() => attentionWeights(this.qkv(x), this.numHeads));
  }

  private qkv(x: tf.Tensor3D): tf.Tensor3D {
    const bias = this.qkvBiasWeight?.read() as tf.Tensor1D | undefined;
    return linear(x, this.qkvKernel.read() as tf.Tensor2D, { bias });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), numHeads: this.numHeads, qkvBias: this.qkvBias };
  }
}

serialization.registerClass(Attention);
