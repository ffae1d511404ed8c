import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { TfjsOps } from '../../../ops/index.js';
import { flag, oneOf, wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { type LayerArgs, single, singleShape, widthOf } from '../../layers/types.js';
import { type BlockConfig, FIELD_CHECKS, snakeCase } from '../config.js';
import { mlp } from '../forward.js';
import { mlpWeights } from '../weights.js';

export type MlpArgs = LayerArgs &
  Pick<BlockConfig, 'quantization' | 'activation' | 'swiglu'> & {
    /** Width of the hidden layer. */
    hiddenDim: number;
  };

const FIELDS = {
  required: { hiddenDim: wholeFrom(1) },
  optional: { quantization: oneOf('int8'), activation: FIELD_CHECKS.activation, swiglu: flag },
};

/**
 * Two linear layers with an exact GELU, or `activation`, between them: [..., D] → [..., D].
 * Weights: fc1.kernel [D, hidden], fc1.bias, fc2.kernel [hidden, D], fc2.bias; quantized, fc1.scale and fc2.scale.
 */
export class Mlp extends tfl.layers.Layer {
  static className = 'DeitMlp';
  private readonly args: Omit<MlpArgs, keyof LayerArgs>;
  private rows!: LayerWeights;

  constructor(args: MlpArgs) {
    super(checkedArgs('Mlp', args, FIELDS));
    const { hiddenDim, quantization, activation, swiglu } = args;
    this.args = {
      hiddenDim,
      ...(quantization ? { quantization } : {}),
      ...(activation ? { activation: snakeCase(activation) } : {}),
      ...(swiglu ? { swiglu } : {}),
    };
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
    const config = { ...this.args, mlpDim: this.args.hiddenDim };
    this.rows = addRows(this.addWeight.bind(this), mlpWeights(this.name, dim, config));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => mlp(new TfjsOps(tensorsOf(this.rows)), this.args, this.name, single(inputs)));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args } as unknown as serialization.ConfigDict;
  }
}

serialization.registerClass(Mlp);
