import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { TfjsOps } from '../../../ops/index.js';
import { wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { axesOf, checkHeads, checkWith, type LayerArgs, single, widthOf } from '../../layers/types.js';
import { FIELD_CHECKS, type PoolConfig, poolArgs } from '../config.js';
import { pool } from '../forward.js';
import { poolWeights } from '../weights.js';

export type PoolArgs = LayerArgs & PoolConfig;

const FIELDS = {
  required: { pool: FIELD_CHECKS.pool, prefixTokens: wholeFrom(0) },
  optional: {
    numHeads: wholeFrom(1),
    mlpDim: wholeFrom(1),
    activation: FIELD_CHECKS.activation,
    epsilon: FIELD_CHECKS.epsilon,
  },
};

/** What a head reads of the tokens: [B, T, D] → [B, D], or [B, 2D] of `token_mean`. Weights: of `map` alone. */
export class Pool extends tfl.layers.Layer {
  static className = 'DeitPool';
  private readonly args: PoolConfig;
  private rows: LayerWeights = new Map();

  constructor(args: PoolArgs) {
    super(checkedArgs('Pool', args, FIELDS));
    this.args = poolArgs(args);
    const { pool, numHeads, mlpDim, epsilon } = this.args;
    if (pool === 'map') checkWith(this, 'pool map', { numHeads, mlpDim, epsilon });
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const dim = widthOf(this, inputShape);
    if (this.args.pool === 'map') checkHeads(this, dim, this.args.numHeads!);
    this.rows = addRows(this.addWeight.bind(this), poolWeights(this.name, dim, this.args));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => pool(new TfjsOps(tensorsOf(this.rows)), this.args, this.name, single(inputs)));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch] = axesOf(this, inputShape, 3);
    return [batch, (this.args.pool === 'token_mean' ? 2 : 1) * widthOf(this, inputShape)];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args } as unknown as serialization.ConfigDict;
  }
}

serialization.registerClass(Pool);
