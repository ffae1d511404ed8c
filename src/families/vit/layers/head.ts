import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { UserError } from '../../../errors.js';
import { TfjsOps } from '../../../ops/index.js';
import { wholeFrom } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { axesOf, type LayerArgs, single, singleShape, widthOf } from '../../layers/types.js';
import { FIELD_CHECKS } from '../config.js';
import { type LinearName, linearWeights } from '../weights.js';

export type HeadArgs = LayerArgs & {
  /** Which token it reads: 0 the class token, 1 the distillation token; undefined for features [B, D] behind a Pool. */
  token?: number;
  /** Number of classes; 0 gives the token itself. */
  units: number;
};

const FIELDS = { required: { units: FIELD_CHECKS.numClasses }, optional: { token: wholeFrom(0) } };

/**
 * Linear classifier on one token or on pooled features: [B, T, D] or [B, D] → logits [B, units], or [B, D].
 * Weights: kernel [D, units], bias [units].
 */
export class Head extends tfl.layers.Layer {
  static className = 'DeitHead';
  private readonly token: number | undefined;
  private readonly units: number;
  private rows: LayerWeights = new Map();

  constructor(args: HeadArgs) {
    super(checkedArgs('Head', args, FIELDS));
    this.token = args.token;
    this.units = args.units;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    if (this.token === undefined) axesOf(this, inputShape, 2);
    else if (this.token >= (axesOf(this, inputShape, 3)[1] ?? Number.POSITIVE_INFINITY)) {
      throw new UserError(
        `layer ${this.name}: there is no token ${this.token} in ${JSON.stringify(inputShape)}`,
      );
    }
    if (this.units > 0) {
      const dim = widthOf(this, inputShape);
      this.rows = addRows(this.addWeight.bind(this), linearWeights(this.name as LinearName, dim, this.units));
    }
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const ops = new TfjsOps(tensorsOf(this.rows));
      const x = single(inputs);
      const features = this.token === undefined ? x : ops.token(x, this.token);
      return this.units > 0 ? ops.linear(features, this.name) : tf.clone(features);
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const shape = singleShape(inputShape);
    return [shape[0] ?? null, this.units || (shape.at(-1) ?? null)];
  }

  override getConfig(): serialization.ConfigDict {
    const { token, units } = this;
    return { ...super.getConfig(), ...(token === undefined ? {} : { token }), units };
  }
}

serialization.registerClass(Head);
