import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { CallOptions } from '../layers/types.js';
import { bindLayers } from './boundLayers.js';
import { VisionTransformer } from './visionTransformer.js';

/**
 * A vision transformer with a distillation token and a second head that learns from the teacher (DeiT,
 * arXiv 2012.12877, section 3). predict gives the mean of the two heads' logits.
 */
export class DistilledVisionTransformer extends VisionTransformer {
  private heads: tfl.LayersModel | undefined;

  /** Shares its layers with layersModel; outputs [class head, distillation head]. */
  get headsModel(): tfl.LayersModel {
    if (this.heads) return this.heads;
    const { layersModel } = this;
    const output = (name: string) => layersModel.getLayer(name).output as tfl.SymbolicTensor;
    const heads = tfl.model({
      name: `${this.config.name}_heads`,
      inputs: layersModel.inputs,
      outputs: [output('head'), output('head_dist')],
    });
    bindLayers(heads, this.bound);
    this.heads = heads;
    return heads;
  }

  /**
   * The logits of both heads, as training needs them.
   *
   * @param x float32 [B, H, W, C], normalised
   * @returns [class head's, distillation head's], float32 [B, classes] each
   */
  override predictHeads(x: tf.Tensor, options: CallOptions = {}): [tf.Tensor2D, tf.Tensor2D] {
    const input = this.checkInput(x, 'predictHeads');
    return this.onBackend(() =>
      tf.tidy(
        () => this.headsModel.apply(input, { training: false, ...options }) as [tf.Tensor2D, tf.Tensor2D],
      ),
    );
  }
}
