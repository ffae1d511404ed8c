import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { checkBackend, readValues } from '../backendLoss.js';
import { UserError } from '../errors.js';
import type { VitConfig } from '../families/vit/config.js';
import { encode, type Watch } from '../families/vit/forward.js';
import { VitOps } from '../families/vit/vitOps.js';
import type { Preprocessing } from '../image/types.js';
import type { WeightTensors } from '../ops/index.js';
import { type ClassifyInput, type Prediction, toPixels, topPredictions } from './classify.js';
import { modelMetadata } from './metadata.js';
import { namedWeights } from './weights.js';

/** What goes with a model beside its weights. */
export interface ModelExtras {
  /** Names of the classes, in the order of the logits. */
  labels?: readonly string[];
  /** How pictures become its input; by default the `deit` preset at the model's input size. */
  preprocessing: Preprocessing;
}

export interface FeatureOptions {
  /** Give the tokens after every block too. */
  blocks?: boolean;
  /** Give every block's attention weights too. */
  attention?: boolean;
}

/** All tensors are float32. T counts the prefix tokens (class, distillation), N the patches. */
export interface Features {
  /** Tokens after the final norm, [B, T + N, D]. */
  tokens: tf.Tensor3D;
  /** Tokens after each block, [B, T + N, D] each; empty unless asked for. */
  blocks: tf.Tensor3D[];
  /** softmax(q kᵀ / √d) of each block, [B, heads, T + N, T + N] each; empty unless asked for. */
  attention: tf.Tensor4D[];
}

/** Runs a whole model faster than layer by layer, e.g. a graph on native TensorFlow; owned by the model. */
export interface Runtime {
  predict(x: tf.Tensor4D): tf.Tensor2D;
  dispose(): void;
}

/** A vision transformer (arXiv 2010.11929) with its labels and preprocessing. */
export class VisionTransformer {
  /** The model as tfjs layers: summary(), fit(), save(), countParams(). */
  readonly layersModel: tfl.LayersModel;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  private runtime: Runtime | undefined;
  /** Where the weights lay when the runtime was given: an assigned weight lies elsewhere. */
  private runtimeWeights: readonly object[] = [];

  constructor(
    readonly config: VitConfig,
    layersModel: tfl.LayersModel,
    extras: ModelExtras,
  ) {
    this.layersModel = layersModel;
    this.labels = extras.labels;
    this.preprocessing = extras.preprocessing;
    // layersModel.save() writes it, so that what it saves is loaded again with everything.
    layersModel.setUserDefinedMetadata({ deit: modelMetadata(this) });
  }

  /** Name of the tfjs backend that runs the model. */
  get backend(): string {
    return tf.getBackend();
  }

  /** Whether predict is done by a runtime and not by the layers. */
  get hasRuntime(): boolean {
    return this.runtime !== undefined;
  }

  /**
   * Hands prediction to a faster runtime with the same weights; training and features stay with the layers. Once a
   * weight is changed, by training or setWeights, the runtime is disposed and the layers predict again.
   */
  useRuntime(runtime: Runtime): void {
    this.dropRuntime();
    this.runtime = runtime;
    this.runtimeWeights = this.weightData();
  }

  private dropRuntime(): void {
    this.runtime?.dispose();
    this.runtime = undefined;
  }

  /** The weights as they are now, by name. */
  private readonly weightTensors: WeightTensors = (name) => {
    this.variables ??= namedWeights(this.layersModel);
    return this.variables.get(name)?.read();
  };
  private variables: ReturnType<typeof namedWeights> | undefined;

  private weightData(): object[] {
    return this.layersModel.weights.map((weight) => weight.read().dataId);
  }

  /** The runtime, unless a weight has changed since it was given. */
  private currentRuntime(): Runtime | undefined {
    if (this.runtime && this.weightData().some((data, i) => data !== this.runtimeWeights[i])) {
      this.dropRuntime();
    }
    return this.runtime;
  }

  /**
   * @param x float32 [B, H, W, C], normalised
   * @returns logits, float32 [B, classes]; with no head, features [B, D]: the class token after the final norm, or the
   *   mean of class and distillation token
   */
  predict(x: tf.Tensor4D): tf.Tensor2D {
    const expected = [...this.config.imgSize, this.config.inChans];
    if (x.rank !== 4 || expected.some((side, i) => x.shape[i + 1] !== side)) {
      throw new UserError(
        `${this.config.name}: predict takes a float32 tensor [batch, ${expected.join(', ')}], got [${x.shape}]`,
      );
    }
    checkBackend();
    const runtime = this.currentRuntime();
    if (runtime) return runtime.predict(x);
    return tf.tidy(() => this.layersModel.apply(x, { training: false }) as tf.Tensor2D);
  }

  /** Tokens after the final norm, and on demand after each block and the attention weights. */
  features(x: tf.Tensor4D, options: FeatureOptions = {}): Features {
    checkBackend();
    const result = tf.tidy(() => {
      const blocks: tf.Tensor3D[] = [];
      const attention: tf.Tensor4D[] = [];
      const ops = new VitOps(this.weightTensors);
      const watch: Watch<tf.Tensor> = {
        block: options.blocks ? (value) => blocks.push(value as tf.Tensor3D) : undefined,
        attention: options.attention
          ? (value, name, how) => attention.push(ops.attentionWeights(value, name, how))
          : undefined,
      };
      const tokens = encode(ops, this.config, x, { watch });
      return { tokens, blocks, attention } as Features & tf.TensorContainerObject;
    });
    return result;
  }

  /**
   * Classifies one picture.
   *
   * @param input an 8-bit picture ({data, width, height}, RGB or RGBA), a float or int tensor [H, W, 3] of levels
   *   0…255, or whatever a platform adds (deit-tfjs/node: a path or the bytes of an image file)
   * @returns the `topK` most probable classes, most probable first
   */
  async classify(input: ClassifyInput, options: { topK?: number } = {}): Promise<Prediction[]> {
    if (this.config.numClasses === 0) {
      throw new UserError(
        `${this.config.name}: has no head to classify with; use predict for its features, or convert it with a head`,
      );
    }
    const [height, width] = this.preprocessing.crop;
    const pixels = await toPixels(input, this.preprocessing);
    const logits = tf.tidy(() => tf.reshape(this.predict(tf.tensor4d(pixels, [1, height, width, 3])), [-1]));
    try {
      return topPredictions(await readValues(logits), options.topK ?? 5, this.labels);
    } finally {
      logits.dispose();
    }
  }

  /** Frees the weights. */
  dispose(): void {
    this.dropRuntime();
    this.layersModel.dispose();
  }
}
