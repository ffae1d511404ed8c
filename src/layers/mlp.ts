import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { LinearOptions } from '../ops/index.js';
import { zeros } from './initializers.js';
import { addMatrix, type Matrix, type MatrixArgs, multiply } from './matrix.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type MlpArgs = LayerArgs &
  MatrixArgs & {
    /** Width of the hidden layer. */
    hiddenDim: number;
  };

/**
 * Two linear layers with an exact GELU between them: [..., D] → [..., D].
 * Weights: fc1.kernel [D, hidden], fc1.bias, fc2.kernel [hidden, D], fc2.bias; quantized, fc1.scale and
 * fc2.scale.
 */
export class Mlp extends tfl.layers.Layer {
  static className = 'DeitMlp';
  private readonly hiddenDim: number;
  private readonly quantization: MatrixArgs['quantization'];
  fc1!: Matrix;
  fc2!: Matrix;

  constructor(args: MlpArgs) {
    super(args);
    this.hiddenDim = args.hiddenDim;
    this.quantization = args.quantization;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = singleShape(inputShape).at(-1) as number;
    const add = addMatrix(this.addWeight.bind(this), this.quantization);
    this.fc1 = add(`${this.name}.fc1`, [dim, this.hiddenDim]);
    this.fc1.bias = this.addWeight(`${this.name}.fc1.bias`, [this.hiddenDim], 'float32', zeros());
    this.fc2 = add(`${this.name}.fc2`, [this.hiddenDim, dim]);
    this.fc2.bias = this.addWeight(`${this.name}.fc2.bias`, [dim], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return this.forward(single(inputs));
  }

  /** As call; `scale` and `residual` go into the second linear layer (see linear). */
  forward<T extends tf.Tensor>(x: T, into: Pick<LinearOptions, 'scale' | 'residual'> = {}): T {
    return tf.tidy(() => multiply(multiply(x, this.fc1, { activation: 'gelu' }), this.fc2, into));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    const { hiddenDim, quantization } = this;
    return { ...super.getConfig(), hiddenDim, ...(quantization ? { quantization } : {}) };
  }
}

serialization.registerClass(Mlp);
