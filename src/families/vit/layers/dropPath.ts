import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { dropPath } from '../../../ops/index.js';
import { within } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { type CallOptions, type LayerArgs, single, singleShape } from '../../layers/types.js';

export type DropPathArgs = LayerArgs & {
  /** Probability with which a sample's branch is left out in training; 0 ≤ rate < 1. */
  rate: number;
};

const FIELDS = { required: { rate: within(0, 1) } };

/** Stochastic depth (arXiv 1603.09382): [B, ...] → [B, ...]; does nothing outside training. No weights. */
export class DropPath extends tfl.layers.Layer {
  static className = 'DeitDropPath';
  readonly rate: number;

  constructor(args: DropPathArgs) {
    super(checkedArgs('DropPath', args, FIELDS));
    this.rate = args.rate;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], options: CallOptions = {}): tf.Tensor {
    const x = single(inputs);
    return options.training ? dropPath(x, this.rate, options.dropPathSeed?.()) : tf.clone(x);
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), rate: this.rate };
  }
}

serialization.registerClass(DropPath);
