import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { flag, oneOf, wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import {
  type CallOptions,
  checkHeads,
  type LayerArgs,
  single,
  singleShape,
  widthOf,
} from '../../layers/types.js';
import { type BlockConfig, blockArgs, FIELD_CHECKS } from '../config.js';
import { block } from '../forward.js';
import { TfjsVitOps } from '../vitOps.js';
import { blockWeights } from '../weights.js';

export type TransformerBlockArgs = LayerArgs & BlockConfig;

const FIELDS = {
  required: {
    numHeads: wholeFrom(1),
    mlpDim: wholeFrom(1),
    qkvBias: flag,
    layerScale: FIELD_CHECKS.layerScale,
    dropPathRate: FIELD_CHECKS.dropPathRate,
    epsilon: FIELD_CHECKS.epsilon,
  },
  optional: {
    activation: FIELD_CHECKS.activation,
    swiglu: flag,
    qkNorm: flag,
    parallel: FIELD_CHECKS.parallel,
    quantization: oneOf('int8'),
    prefixTokens: wholeFrom(0),
  },
};

/**
 * Pre-norm transformer block (ViT, arXiv 2010.11929, equations 2 and 3): [B, T, D] → [B, T, D]; see `block` in
 * forward.ts. Its weights are all its own: tfjs does not look into a layer for others (tfjs#8569).
 */
export class TransformerBlock extends tfl.layers.Layer {
  static className = 'DeitTransformerBlock';
  private readonly args: BlockConfig;
  private rows!: LayerWeights;

  constructor(args: TransformerBlockArgs) {
    super(checkedArgs('TransformerBlock', args, FIELDS));
    this.args = blockArgs(args);
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
    checkHeads(this, dim, this.args.numHeads);
    this.rows = addRows(this.addWeight.bind(this), blockWeights(this.name, dim, this.args));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], options: CallOptions = {}): tf.Tensor {
    const ops = new TfjsVitOps(tensorsOf(this.rows), options);
    return tf.tidy(() => block(ops, this.args, this.name, single(inputs)));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args } as unknown as serialization.ConfigDict;
  }
}

serialization.registerClass(TransformerBlock);
