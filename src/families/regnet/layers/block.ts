import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { groupedConvolve3x3, halved, linear, spatialMean } from '../../../ops/index.js';
import { oneOf, wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { zeros } from '../../layers/initializers.js';
import { axesOf, type LayerArgs, single, widthOf } from '../../layers/types.js';
import { hasDownsample, type RegnetBlockConfig, regnetBlockWeights } from '../shape.js';

export type RegnetBlockArgs = LayerArgs & Omit<RegnetBlockConfig, 'name' | 'inputWidth'>;

const FIELDS = {
  required: {
    width: wholeFrom(1),
    groupWidth: wholeFrom(1),
    squeeze: (value: number | null) => (value === null ? undefined : wholeFrom(1)(value)),
    stride: oneOf(1, 2),
  },
};

/**
 * RegNetY's residual bottleneck (arXiv 2003.13678, section 3): 1 × 1 convolution, grouped 3 × 3 convolution,
 * squeeze-and-excitation, 1 × 1 convolution, and a shortcut that is a 1 × 1 convolution where the shape changes.
 * For inference: batch norm lies in the kernels and biases. Weights: see regnetBlockWeights.
 */
export class RegnetBlock extends tfl.layers.Layer {
  static className = 'DeitRegnetBlock';
  private readonly shape: Omit<RegnetBlockConfig, 'inputWidth'>;
  private readonly parts = new Map<string, tfl.LayerVariable>();
  private groups: tfl.LayerVariable[] = [];
  private downsamples = false;

  constructor(args: RegnetBlockArgs) {
    super(checkedArgs('RegnetBlock', args, FIELDS));
    const { width, groupWidth, squeeze, stride } = args;
    this.shape = { name: this.name, width, groupWidth, squeeze, stride };
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const block = { ...this.shape, inputWidth: widthOf(this, inputShape) };
    this.downsamples = hasDownsample(block);
    for (const { name, shape } of regnetBlockWeights(block)) {
      const weight = this.addWeight(name, [...shape], 'float32', zeros());
      const part = name.slice(this.name.length + 1);
      if (/^conv2\.kernel/.test(part)) this.groups.push(weight);
      else this.parts.set(part, weight);
    }
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor4D {
    return tf.tidy(() => {
      const x = single<tf.Tensor4D>(inputs);
      const y = this.squeezed(this.grouped(tf.relu(this.linear('conv1', x))));
      return tf.relu(this.linear('conv3', y, this.shortcut(x)));
    });
  }

  private read<T extends tf.Tensor>(part: string): T {
    return this.parts.get(part)!.read() as T;
  }

  /** A convolution of 1 × 1, or a linear layer. */
  private linear<T extends tf.Tensor>(part: string, x: T, residual?: tf.Tensor): T {
    return linear(x, this.read<tf.Tensor2D>(`${part}.kernel`), { bias: this.read(`${part}.bias`), residual });
  }

  private grouped(x: tf.Tensor4D): tf.Tensor4D {
    const kernels = this.groups.map((kernel) => kernel.read() as tf.Tensor4D);
    const y = groupedConvolve3x3(x, kernels, this.shape.stride);
    return tf.relu(tf.add(y, this.read('conv2.bias')));
  }

  /** Squeeze-and-excitation (arXiv 1709.01507): every channel weighted by what all channels' means say. */
  private squeezed(x: tf.Tensor4D): tf.Tensor4D {
    if (this.shape.squeeze === null) return x;
    const hidden = tf.relu(this.linear('se.fc1', spatialMean(x)));
    const weights = tf.sigmoid(this.linear('se.fc2', hidden));
    return tf.mul(x, tf.reshape(weights, [x.shape[0], 1, 1, -1]));
  }

  private shortcut(x: tf.Tensor4D): tf.Tensor4D {
    if (!this.downsamples) return x;
    return this.linear('downsample', this.shape.stride === 2 ? halved(x) : x);
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, height, width] = axesOf(this, inputShape, 4);
    const { stride } = this.shape;
    return [
      batch,
      height && Math.ceil(height / stride),
      width && Math.ceil(width / stride),
      this.shape.width,
    ];
  }

  override getConfig(): serialization.ConfigDict {
    const { width, groupWidth, squeeze, stride } = this.shape;
    return { ...super.getConfig(), width, groupWidth, squeeze, stride };
  }
}

serialization.registerClass(RegnetBlock);
