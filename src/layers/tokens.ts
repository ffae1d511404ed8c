import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { normal02 } from './initializers.js';
import { type LayerArgs, single, singleShape } from './types.js';

export type TokensArgs = LayerArgs & {
  /** Whether a distillation token follows the class token (DeiT, section 3). */
  distilled: boolean;
  /**
   * Whether the prefix tokens have position embeddings of their own (ViT, DeiT), or the embeddings are added to
   * the patches before the class token is put in front (DeiT III, models_v2.py).
   */
  posEmbedPrefix: boolean;
};

/**
 * Puts the class token, and the distillation token if there is one, before the patch tokens and adds position
 * embeddings: [B, N, D] → [B, T + N, D]. Weights: cls_token, dist_token [1, 1, D], pos_embed [1, T + N or N, D].
 */
export class Tokens extends tfl.layers.Layer {
  static className = 'DeitTokens';
  private readonly distilled: boolean;
  private readonly posEmbedPrefix: boolean;
  private prefix: tfl.LayerVariable[] = [];
  private posEmbed!: tfl.LayerVariable;

  constructor(args: TokensArgs) {
    super(args);
    this.distilled = args.distilled;
    this.posEmbedPrefix = args.posEmbedPrefix;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const [, patches, dim] = singleShape(inputShape) as number[];
    const names = this.distilled ? ['cls_token', 'dist_token'] : ['cls_token'];
    this.prefix = names.map((name) => this.addWeight(name, [1, 1, dim], 'float32', normal02()));
    const length = patches + (this.posEmbedPrefix ? names.length : 0);
    this.posEmbed = this.addWeight('pos_embed', [1, length, dim], 'float32', normal02());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor3D {
    return tf.tidy(() => {
      const patches = single<tf.Tensor3D>(inputs);
      const [batch, , dim] = patches.shape;
      // By adding, not tf.tile: that one's gradient takes every sample apart.
      const none = tf.zeros<tf.Rank.R3>([batch, 1, dim]);
      const prefix = this.prefix.map((token) => tf.add(none, token.read()) as tf.Tensor3D);
      const posEmbed = this.posEmbed.read() as tf.Tensor3D;
      if (this.posEmbedPrefix) return tf.add(tf.concat([...prefix, patches], 1), posEmbed) as tf.Tensor3D;
      return tf.concat([...prefix, tf.add(patches, posEmbed) as tf.Tensor3D], 1);
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, patches, dim] = singleShape(inputShape);
    return [batch, patches! + (this.distilled ? 2 : 1), dim];
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), distilled: this.distilled, posEmbedPrefix: this.posEmbedPrefix };
  }
}

serialization.registerClass(Tokens);
