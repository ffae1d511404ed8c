import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { TfjsOps } from '../../../ops/index.js';
import { addRows, type LayerWeights, tensorsOf } from '../../layers/rows.js';
import { axesOf, type LayerArgs, single } from '../../layers/types.js';
import { patchSides, type VitConfig } from '../config.js';
import { type LinearName, patchEmbedWeights } from '../weights.js';

export type PatchEmbedArgs = LayerArgs &
  Pick<VitConfig, 'patchSize' | 'patchBias'> & {
    /** Width D of a token. */
    embedDim: number;
  };

/** Image to patch tokens: [B, H, W, C] → [B, ⌊H/p⌋ · ⌊W/q⌋, D]. Weights: kernel [p, q, C, D], bias [D]. */
export class PatchEmbed extends tfl.layers.Layer {
  static className = 'DeitPatchEmbed';
  private readonly args: Omit<PatchEmbedArgs, keyof LayerArgs>;
  private rows!: LayerWeights;

  constructor(args: PatchEmbedArgs) {
    super(args);
    const { patchSize, embedDim, patchBias } = args;
    this.args = { patchSize, embedDim, ...(patchBias === false ? { patchBias } : {}) };
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const [, , , channels] = axesOf(this, inputShape, 4, 3);
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
