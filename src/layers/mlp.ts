import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { type LinearOptions, linear } from '../ops/index.js';
import { normal02, zeros } from './initializers.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type MlpArgs = LayerArgs & {
  /** Width of the hidden layer. */
  hiddenDim: number;
};

/**
 * Two linear layers with an exact GELU between them: [..., D] → [..., D].
 * Weights: fc1.kernel [D, hidden], fc1.bias, fc2.kernel [hidden, D], fc2.bias.
 */
export class Mlp extends tfl.layers.Layer {
  static className = 'DeitMlp';
  private readonly hiddenDim: number;
  private fc1Kernel!: tfl.LayerVariable;
  private fc1Bias!: tfl.LayerVariable;
  private fc2Kernel!: tfl.LayerVariable;
  private fc2Bias!: tfl.LayerVariable;

  constructor(args: MlpArgs) {
    super(args);
    this.hiddenDim = args.hiddenDim;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = singleShape(inputShape).at(-1) as number;
    this.fc1Kernel = this.addWeight(`${this.name}.fc1.kernel`, [dim, this.hiddenDim], 'float32', normal02());
    this.fc1Bias = this.addWeight(`${this.name}.fc1.bias`, [this.hiddenDim], 'float32', zeros());
    this.fc2Kernel = this.addWeight(`${this.name}.fc2.kernel`, [this.hiddenDim, dim], 'float32', normal02());
    this.fc2Bias = this.addWeight(`${this.name}.fc2.bias`, [dim], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return this.forward(single(inputs));
  }

  /** As call; `scale` and `residual` go into the second linear layer (see linear). */
  forward<T extends tf.Tensor>(x: T, into: Pick<LinearOptions, 'scale' | 'residual'> = {}): T {
    return tf.tidy(() => {
      const hidden = linear(x, this.fc1Kernel.read() as tf.Tensor2D, {
        bias: this.fc1Bias.read() as tf.Tensor1D,
        activation: 'gelu',
      });
      const bias = this.fc2Bias.read() as tf.Tensor1D;
      return linear(hidden, this.fc2Kernel.read() as tf.Tensor2D, { bias, ...into });
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), hiddenDim: this.hiddenDim };
  }
}

serialization.registerClass(Mlp);
