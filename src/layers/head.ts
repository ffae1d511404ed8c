import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { linear } from '../ops/index.js';
import { normal02, zeros } from './initializers.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type HeadArgs = LayerArgs & {
  /** Which token it reads: 0 the class token, 1 the distillation token. */
  token: number;
  /** Number of classes; 0 gives the token itself. */
  units: number;
};

/** Linear classifier on one token: [B, T, D] → logits [B, units], or [B, D]. Weights: kernel [D, units], bias. */
export class Head extends tfl.layers.Layer {
  static className = 'DeitHead';
  private readonly token: number;
  private readonly units: number;
  private kernel?: tfl.LayerVariable;
  private bias?: tfl.LayerVariable;

  constructor(args: HeadArgs) {
    super(args);
    this.token = args.token;
    this.units = args.units;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = singleShape(inputShape)[2] as number;
    if (this.units > 0) {
      this.kernel = this.addWeight(`${this.name}.kernel`, [dim, this.units], 'float32', normal02());
      this.bias = this.addWeight(`${this.name}.bias`, [this.units], 'float32', zeros());
    }
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor2D {
    return tf.tidy(() => {
      const tokens = single<tf.Tensor3D>(inputs);
      const [batch, , dim] = tokens.shape;
      const token = tf.reshape(tf.slice(tokens, [0, this.token, 0], [batch, 1, dim]), [batch, dim]);
      if (!this.kernel || !this.bias) return token as tf.Tensor2D;
      const bias = this.bias.read() as tf.Tensor1D;
      return linear(token as tf.Tensor2D, this.kernel.read() as tf.Tensor2D, { bias });
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, , dim] = singleShape(inputShape);
    return [batch, this.units || dim];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), token: this.token, units: this.units };
  }
}

serialization.registerClass(Head);
