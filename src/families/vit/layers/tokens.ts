import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { TfjsOps } from '../../../ops/index.js';
import { flag } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { axesOf, type LayerArgs, single } from '../../layers/types.js';
import { FIELD_CHECKS, numPrefixTokens, type TokensConfig, tokensArgs } from '../config.js';
import { addTokens } from '../forward.js';
import { tokensWeights } from '../weights.js';

export type TokensArgs = LayerArgs & TokensConfig;

const FIELDS = {
  required: { distilled: flag, posEmbedPrefix: flag },
  optional: { classToken: flag, registers: FIELD_CHECKS.registers, registerPositions: flag },
};

/**
 * Puts the class, distillation and register tokens before the patch tokens and adds position embeddings:
 * [B, N, D] → [B, T, D]. Weights: cls_token, dist_token [1, 1, D], reg_token [1, n, D], pos_embed [1, P, D].
 */
export class Tokens extends tfl.layers.Layer {
  static className = 'DeitTokens';
  private readonly args: TokensConfig;
  private rows!: LayerWeights;

  constructor(args: TokensArgs) {
    super(checkedArgs('Tokens', args, FIELDS));
    this.args = tokensArgs(args);
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const [, patches, dim] = axesOf(this, inputShape, 3, 1, 2);
    this.rows = addRows(this.addWeight.bind(this), tokensWeights(this.args, patches, dim));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => addTokens(new TfjsOps(tensorsOf(this.rows)), this.args, single(inputs)));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, patches, dim] = axesOf(this, inputShape, 3, 1);
    return [batch, patches + numPrefixTokens(this.args), dim];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args } as unknown as serialization.ConfigDict;
  }
}

serialization.registerClass(Tokens);
