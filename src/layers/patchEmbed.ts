import type * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { patchEmbed } from '../ops/index.js';
import { normal02, zeros } from './initializers.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type PatchEmbedArgs = LayerArgs & {
  /** Side of a square patch in pixels. */
  patchSize: number;
  /** Width D of a token. */
  embedDim: number;
};

/** Picture to patch tokens: [B, H, W, C] → [B, H/p · W/p, D]. Weights: kernel [p, p, C, D], bias [D]. */
export class PatchEmbed extends tfl.layers.Layer {
  static className = 'DeitPatchEmbed';
  private readonly patchSize: number;
  private readonly embedDim: number;
  private kernel!: tfl.LayerVariable;
  private bias!: tfl.LayerVariable;

  constructor(args: PatchEmbedArgs) {
    super(args);
    this.patchSize = args.patchSize;
    this.embedDim = args.embedDim;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const channels = singleShape(inputShape)[3] as number;
    const p = this.patchSize;
    const kernelShape = [p, p, channels, this.embedDim];
    this.kernel = this.addWeight(`${this.name}.kernel`, kernelShape, 'float32', normal02());
    this.bias = this.addWeight(`${this.name}.bias`, [this.embedDim], 'float32', zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor3D {
    return patchEmbed(single(inputs), this.kernel.read() as tf.Tensor4D, this.bias.read() as tf.Tensor1D);
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, height, width] = singleShape(inputShape);
    const patches = Math.floor(height! / this.patchSize) * Math.floor(width! / this.patchSize);
    return [batch, patches, this.embedDim];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), patchSize: this.patchSize, embedDim: this.embedDim };
  }
}

serialization.registerClass(PatchEmbed);
