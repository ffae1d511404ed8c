import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { currentBackend, onBackend } from '../boundBackend.js';
import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { UserError } from '../errors.js';
import type { VitConfig } from '../families/vit/config.js';
import { isHeadWeight, weightSpecs } from '../families/vit/weights.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { namedWeights } from '../models/weights.js';
import type { StudentLogits } from './loss.js';

/** What is trained: a model's weights by name, and its forward pass. */
export interface Student {
  readonly weights: ReadonlyMap<string, tfl.LayerVariable>;
  /** Names of the weights that training changes. */
  readonly trainable: readonly string[];
  /** Whether weight decay acts on a weight. */
  decays(name: string): boolean;
  /**
   * @param x float32 [B, H, W, C], normalised
   * @param seed gives the seeds of drop path's masks, one a call
   */
  forward(x: tf.Tensor4D, seed: () => number): StudentLogits;
  /** As at inference: logits, float32 [B, classes]; the mean of the heads of a distilled model. */
  predict(x: tf.Tensor4D): tf.Tensor2D;
  /** Runs synchronous tfjs code on the backend that it is trained on, whatever is current. */
  onBackend<T>(run: () => T): T;
  /** What an engine has to know of one of our vision transformers; `joint`: both heads learn by their mean. */
  readonly family?: { readonly config: VitConfig; readonly joint: boolean };
  /** The model itself, of a student that is any tf.LayersModel. */
  readonly layersModel?: tfl.LayersModel;
}

/** Which weights learn: all, those of the heads and the last `blocks`, or attention's alone. */
export interface Trainable {
  /** Number of blocks, from the first, that stay as they are, with the embeddings before them; 0 for none. */
  readonly frozenBlocks: number;
  /** Train attention and heads only (Three things everyone should know about ViT, arXiv 2203.09795, section 4). */
  readonly attentionOnly: boolean;
}

/**
 * A vision transformer as a student.
 *
 * @param joint whether the heads of a distilled model learn together, by the mean of their logits (timm, with
 *   distilled_training off): without a teacher its second head would never learn, and be half of the answer
 */
export function studentOf(model: VisionTransformer, trainable: Trainable, joint = false): Student {
  checkArguments('studentOf', { model: ['model', model], trainable: ['fields', trainable] });
  checkOptions('studentOf', trainable, { frozenBlocks: 'count', attentionOnly: 'flag' });
  const weights = namedWeights(model.layersModel);
  const forward = (x: tf.Tensor4D, dropPathSeed: () => number): StudentLogits => {
    const options = { training: true, dropPathSeed };
    if (model.predictHeads && !joint) {
      const [head, dist] = model.predictHeads(x, options);
      return { head, dist };
    }
    return { head: model.layersModel.apply(x, options) as tf.Tensor2D };
  };
  const names = [...weights.keys()].filter((name) => learns(name, trainable));
  const rows = new Map(weightSpecs(model.config).map((spec) => [spec.name, spec]));
  const decays = (name: string) => rows.get(name)!.decays;
  return {
    weights,
    trainable: names,
    decays,
    forward,
    predict: (x) => model.predict(x),
    onBackend: (run) => model.onBackend(run),
    family: { config: model.config, joint: joint || !model.predictHeads },
  };
}

/**
 * Any tf.LayersModel that ends in logits as a student without distillation, e.g. a convnet that is to teach. It is
 * trained on the backend that is current now.
 */
export function studentOfLayersModel(
  model: tfl.LayersModel,
): Student & { readonly layersModel: tfl.LayersModel } {
  checkArguments('studentOfLayersModel', { model: ['layersModel', model] });
  const last = model.outputs[0]!.sourceLayer;
  if (last.getClassName() === 'Softmax' || last.getConfig().activation === 'softmax') {
    throw new UserError(
      `${model.name}: ends in softmax, and a student ends in logits, of which the loss takes the softmax: leave its last activation out`,
    );
  }
  const backend = currentBackend();
  const weights = new Map(model.weights.map((weight) => [weight.originalName, weight]));
  const trainable = model.trainableWeights.map((weight) => weight.originalName);
  const apply = (x: tf.Tensor4D, training: boolean) => model.apply(x, { training }) as tf.Tensor2D;
  return {
    weights,
    trainable,
    // Biases and norms are vectors (timm, param_groups_weight_decay).
    decays: (name) => weights.get(name)!.shape.length > 1,
    forward: (x) => ({ head: apply(x, true) }),
    predict: (x) => onBackend(backend, () => tf.tidy(() => apply(x, false))),
    onBackend: (run) => onBackend(backend, run),
    layersModel: model,
  };
}

function learns(name: string, { frozenBlocks, attentionOnly }: Trainable): boolean {
  if (isHeadWeight(name)) return true;
  if (attentionOnly && !/\.attn\./.test(name)) return false;
  const block = /^blocks\.(\d+)\./.exec(name);
  // Norms, pooling and a hidden layer behind the blocks learn with the heads.
  return frozenBlocks === 0 || (block ? Number(block[1]) >= frozenBlocks : !EMBEDDINGS.test(name));
}

/** Weights that stand before the blocks. */
const EMBEDDINGS = /^(patch_embed|cls_token|dist_token|reg_token|pos_embed|norm_pre)\b/;
