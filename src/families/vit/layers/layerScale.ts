import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { finite } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { type LayerArgs, single, singleShape, widthOf } from '../../layers/types.js';

export type LayerScaleArgs = LayerArgs & {
  /** Value that gamma starts from, e.g. 1e-4. */
  initValue: number;
};

const FIELDS = { required: { initValue: finite } };

/** Multiplies each channel by a learned factor (CaiT, arXiv 2103.17239): [..., D] → [..., D]. Weight: gamma [D]. */
export class LayerScale extends tfl.layers.Layer {
  static className = 'DeitLayerScale';
  private readonly initValue: number;
  private gammaWeight!: tfl.LayerVariable;

  constructor(args: LayerScaleArgs) {
    super(checkedArgs('LayerScale', args, FIELDS));
    this.initValue = args.initValue;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
    const init = tfl.initializers.constant({ value: this.initValue });
    this.gammaWeight = this.addWeight(`${this.name}.gamma`, [dim], 'float32', init);
    this.built = true;
  }

  /** The factors, float32 [D], for an op that multiplies by them itself. */
  get gamma(): tf.Tensor1D {
    return this.gammaWeight.read() as tf.Tensor1D;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.mul(single(inputs), this.gamma);
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), initValue: this.initValue };
  }
}

serialization.registerClass(LayerScale);
