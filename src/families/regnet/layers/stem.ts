import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { convolve3x3 } from '../../../ops/index.js';
import { wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { zeros } from '../../layers/initializers.js';
import { axesOf, type LayerArgs, single, widthOf } from '../../layers/types.js';

export type RegnetStemArgs = LayerArgs & {
  /** Channels of the output. */
  width: number;
};

const FIELDS = { required: { width: wholeFrom(1) } };

/** RegNet's first layer: 3 × 3 convolution of stride 2, bias, ReLU. Weights: kernel [3, 3, C, width], bias. */
export class RegnetStem extends tfl.layers.Layer {
  static className = 'DeitRegnetStem';
  private readonly width: number;
  private kernel!: tfl.LayerVariable;
  private bias!: tfl.LayerVariable;

  constructor(args: RegnetStemArgs) {
    super(checkedArgs('RegnetStem', args, FIELDS));
    this.width = args.width;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const channels = widthOf(this, inputShape);
    this.kernel = this.addWeight(`${this.name}.kernel`, [3, 3, channels, this.width], 'float32', zeros());
    this.bias = this.addWeight(`${this.name}.bias`, [this.width], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor4D {
    return tf.tidy(() => {
      const y = convolve3x3(single<tf.Tensor4D>(inputs), this.kernel.read() as tf.Tensor4D, 2);
      return tf.relu(tf.add(y, this.bias.read())) as tf.Tensor4D;
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, height, width] = axesOf(this, inputShape, 4);
    return [batch, height && Math.ceil(height / 2), width && Math.ceil(width / 2), this.width];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), width: this.width };
  }
}

serialization.registerClass(RegnetStem);
