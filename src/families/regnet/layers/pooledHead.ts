import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { linear, spatialMean } from '../../../ops/index.js';
import { wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { zeros } from '../../layers/initializers.js';
import { axesOf, type LayerArgs, single, widthOf } from '../../layers/types.js';

export type PooledHeadArgs = LayerArgs & {
  /** Number of classes. */
  units: number;
};

const FIELDS = { required: { units: wholeFrom(1) } };

/** Linear classifier on the mean over rows and columns: [B, H, W, C] → logits [B, units]. Weights: kernel, bias. */
export class PooledHead extends tfl.layers.Layer {
  static className = 'DeitPooledHead';
  private readonly units: number;
  private kernel!: tfl.LayerVariable;
  private bias!: tfl.LayerVariable;

  constructor(args: PooledHeadArgs) {
    super(checkedArgs('PooledHead', args, FIELDS));
    this.units = args.units;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const channels = widthOf(this, inputShape);
    this.kernel = this.addWeight(`${this.name}.kernel`, [channels, this.units], 'float32', zeros());
    this.bias = this.addWeight(`${this.name}.bias`, [this.units], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor2D {
    return tf.tidy(() => {
      const bias = this.bias.read() as tf.Tensor1D;
      return linear(spatialMean(single(inputs)), this.kernel.read() as tf.Tensor2D, { bias });
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [axesOf(this, inputShape, 4)[0], this.units];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), units: this.units };
  }
}

serialization.registerClass(PooledHead);
