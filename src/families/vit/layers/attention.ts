import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { TfjsOps } from '../../../ops/index.js';
import { flag, oneOf, wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { checkHeads, checkWith, type LayerArgs, single, singleShape, widthOf } from '../../layers/types.js';
import { type BlockConfig, FIELD_CHECKS } from '../config.js';
import { attention } from '../forward.js';
import { attentionWeights } from '../weights.js';

export type AttentionArgs = LayerArgs &
  Pick<BlockConfig, 'numHeads' | 'qkvBias' | 'quantization' | 'qkNorm'> & {
    /** Of the layer norms of queries and keys; only with qkNorm. */
    epsilon?: number;
  };

const FIELDS = {
  required: { numHeads: wholeFrom(1), qkvBias: flag },
  optional: { quantization: oneOf('int8'), qkNorm: flag, epsilon: FIELD_CHECKS.epsilon },
};

/**
 * Multi-head self-attention with its projections: [B, T, D] → [B, T, D].
 * Weights: qkv.kernel [D, 3D], qkv.bias [3D], proj.kernel [D, D], proj.bias [D]; quantized, qkv.scale and proj.scale.
 */
export class Attention extends tfl.layers.Layer {
  static className = 'DeitAttention';
  private readonly args: Omit<AttentionArgs, keyof LayerArgs>;
  private rows!: LayerWeights;

  constructor(args: AttentionArgs) {
    super(checkedArgs('Attention', args, FIELDS));
    const { numHeads, qkvBias, quantization, qkNorm, epsilon } = args;
    this.args = {
      numHeads,
      qkvBias,
      ...(quantization ? { quantization } : {}),
      ...(qkNorm ? { qkNorm, epsilon } : {}),
    };
    if (qkNorm) checkWith(this, 'qkNorm', { epsilon });
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
    checkHeads(this, dim, this.args.numHeads);
    this.rows = addRows(this.addWeight.bind(this), attentionWeights(this.name, dim, this.args));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => attention(new TfjsOps(tensorsOf(this.rows)), this.args, this.name, single(inputs)));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args } as unknown as serialization.ConfigDict;
  }
}

serialization.registerClass(Attention);
