import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { type CallOptions, type LayerArgs, single, singleShape, widthOf } from '../../layers/types.js';
import { type BlockConfig, blockArgs } from '../config.js';
import { block } from '../forward.js';
import { TfjsVitOps } from '../vitOps.js';
import { blockWeights } from '../weights.js';

export type TransformerBlockArgs = LayerArgs & BlockConfig;

/**
 * Pre-norm transformer block (ViT, arXiv 2010.11929, equations 2 and 3): [B, T, D] → [B, T, D]; see `block` in
 * forward.ts. Its weights are all its own: tfjs does not look into a layer for others (tfjs#8569).
 */
export class TransformerBlock extends tfl.layers.Layer {
  static className = 'DeitTransformerBlock';
  private readonly args: BlockConfig;
  private rows!: LayerWeights;

  constructor(args: TransformerBlockArgs) {
    super(args);
    this.args = blockArgs(args);
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
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
