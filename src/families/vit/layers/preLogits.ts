import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { TfjsOps } from '../../../ops/index.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { axesOf, type LayerArgs, single, widthOf } from '../../layers/types.js';
import { FIELD_CHECKS } from '../config.js';
import { type LinearName, linearWeights } from '../weights.js';

export type PreLogitsArgs = LayerArgs & {
  /** Width of its output. */
  units: number;
};

const FIELDS = { required: { units: FIELD_CHECKS.preLogits } };

/** The hidden layer before a ViT's head: tanh(x · kernel + bias), [B, D] → [B, units]. */
export class PreLogits extends tfl.layers.Layer {
  static className = 'DeitPreLogits';
  private readonly units: number;
  private rows!: LayerWeights;

  constructor(args: PreLogitsArgs) {
    super(checkedArgs('PreLogits', args, FIELDS));
    this.units = args.units;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
    this.rows = addRows(this.addWeight.bind(this), linearWeights(this.name as LinearName, dim, this.units));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const ops = new TfjsOps(tensorsOf(this.rows));
    return tf.tidy(() => ops.linear(single(inputs), this.name, { activation: 'tanh' }));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [axesOf(this, inputShape, 2)[0], this.units];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), units: this.units };
  }
}

serialization.registerClass(PreLogits);
