import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { UserError } from '../../../errors.js';
import { TfjsOps } from '../../../ops/index.js';
import { flag } from '../../fieldChecks.js';
import { checkedArgs } from '../../layers/checkedArgs.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { axesOf, type LayerArgs, single } from '../../layers/types.js';
import { FIELD_CHECKS, patchSides, type VitConfig } from '../config.js';
import { type LinearName, patchEmbedWeights } from '../weights.js';

export type PatchEmbedArgs = LayerArgs &
  Pick<VitConfig, 'patchSize' | 'patchBias'> & {
    /** Width D of a token. */
    embedDim: number;
  };

const FIELDS = {
  required: { patchSize: FIELD_CHECKS.patchSize, embedDim: FIELD_CHECKS.embedDim },
  optional: { patchBias: flag },
};

/** Image to patch tokens: [B, H, W, C] → [B, ⌊H/p⌋ · ⌊W/q⌋, D]. Weights: kernel [p, q, C, D], bias [D]. */
export class PatchEmbed extends tfl.layers.Layer {
  static className = 'DeitPatchEmbed';
  private readonly args: Omit<PatchEmbedArgs, keyof LayerArgs>;
  private rows!: LayerWeights;

  constructor(args: PatchEmbedArgs) {
    super(checkedArgs('PatchEmbed', args, FIELDS));
    const { patchSize, embedDim, patchBias } = args;
    this.args = { patchSize, embedDim, ...(patchBias === false ? { patchBias } : {}) };
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const [, height, width, channels] = axesOf(this, inputShape, 4, 3);
    const [p, q] = patchSides(this.args);
    if ((height ?? p) < p || (width ?? q) < q) {
      throw new UserError(
        `layer ${this.name}: an image of ${height}×${width} pixels is smaller than a patch of ${p}×${q}`,
      );
    }
    const rows = patchEmbedWeights(this.name as LinearName, channels, this.args.embedDim, this.args);
    this.rows = addRows(this.addWeight.bind(this), rows);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => new TfjsOps(tensorsOf(this.rows)).patchEmbed(single(inputs), this.name));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, height, width] = axesOf(this, inputShape, 4, 1, 2);
    const [p, q] = patchSides(this.args);
    return [batch, Math.floor(height / p) * Math.floor(width / q), this.args.embedDim];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args } as unknown as serialization.ConfigDict;
  }
}

serialization.registerClass(PatchEmbed);
