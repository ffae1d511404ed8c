import type * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { layerNorm } from '../ops/index.js';
import { ones, zeros } from './initializers.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type LayerNormArgs = LayerArgs & { epsilon: number };

/** Layer normalisation over the last axis: [..., D] → [..., D]. Weights: gamma [D], beta [D]. */
export class LayerNorm extends tfl.layers.Layer {
  static className = 'DeitLayerNorm';
  private readonly epsilon: number;
  private gamma!: tfl.LayerVariable;
  private beta!: tfl.LayerVariable;

  constructor(args: LayerNormArgs) {
    super(args);
    this.epsilon = args.epsilon;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = singleShape(inputShape).at(-1) as number;
    this.gamma = this.addWeight(`${this.name}.gamma`, [dim], 'float32', ones());
    this.beta = this.addWeight(`${this.name}.beta`, [dim], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const { gamma, beta } = this.operands;
    return layerNorm(single(inputs), gamma, beta, this.epsilon);
  }

  /** The weights, for an op that normalises itself. */
  get operands(): { gamma: tf.Tensor1D; beta: tf.Tensor1D } {
    return { gamma: this.gamma.read() as tf.Tensor1D, beta: this.beta.read() as tf.Tensor1D };
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.epsilon };
  }
}

serialization.registerClass(LayerNorm);
