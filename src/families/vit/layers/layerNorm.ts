import type * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { TfjsOps } from '../../../ops/index.js';
import { above } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { type LayerArgs, single, singleShape, widthOf } from '../../layers/types.js';
import { layerNormWeights, type NormName } from '../weights.js';

export type LayerNormArgs = LayerArgs & { epsilon: number };

const FIELDS = { required: { epsilon: above(0, 1) } };

/** Layer normalisation over the last axis: [..., D] → [..., D]. Weights: gamma [D], beta [D]. */
export class LayerNorm extends tfl.layers.Layer {
  static className = 'DeitLayerNorm';
  private readonly epsilon: number;
  private rows!: LayerWeights;

  constructor(args: LayerNormArgs) {
    super(checkedArgs('LayerNorm', args, FIELDS));
    this.epsilon = args.epsilon;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
    this.rows = addRows(this.addWeight.bind(this), layerNormWeights(this.name as NormName, dim));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return new TfjsOps(tensorsOf(this.rows)).layerNorm(single(inputs), this.name, this.epsilon);
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.epsilon };
  }
}

serialization.registerClass(LayerNorm);
