import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { type BoundBackend, currentBackend, isRunning, onBackend } from '../boundBackend.js';
import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { checkBackend, readValues } from '../deviceLost.js';
import { UserError } from '../errors.js';
import type { CallOptions } from '../families/layers/types.js';
import { modelMetadata } from '../families/metadata.js';
import type { VitConfig } from '../families/vit/config.js';
import { encode, type Watch } from '../families/vit/forward.js';
import { TfjsVitOps } from '../families/vit/vitOps.js';
import { isTapeOn } from '../gradientTape.js';
import type { WeightTensors } from '../ops/index.js';
import { unlessAborted } from '../unlessAborted.js';
import { bindLayers } from './boundLayers.js';
import { embeddingForward } from './embedding.js';
import { ImageClassifier, type ModelExtras, type RunOptions } from './imageClassifier.js';
import type { ImageModel } from './imageModel.js';
import { namedWeights } from './weights.js';

export type { Embedding } from './embedding.js';
export type { ClassifyOptions, ImageCallOptions, ModelExtras, RunOptions } from './imageClassifier.js';

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
  /**
   * The same without blocking the event loop, where the runtime can.
   *
   * @param images float32 [batch, H, W, C], not to be changed before the answer is there
   * @returns logits, float32 [batch, classes]
   */
  run?(images: Float32Array, batch: number, options?: RunOptions): Promise<Float32Array>;
  /** As `run`, with the rows of embeddingForward. */
  embed?(images: Float32Array, batch: number, options?: RunOptions): Promise<Float32Array>;
  /** As `run`, with every head's logits side by side (headLogits). */
  heads?(images: Float32Array, batch: number, options?: RunOptions): Promise<Float32Array>;
  /** As `run`, with the rows of inspectionForward. */
  inspect?(images: Float32Array, batch: number, options?: RunOptions): Promise<Float32Array>;
  dispose(): void;
}

/** A runtime that holds the weights itself. */
export interface EngineRuntime extends Runtime {
  /** What computes, e.g. `own engine, 256-bit SIMD, 2 threads`. */
  readonly description: string;
  /** A weight by its name, float32 in tfjs' layout. */
  weight(name: string): Float32Array;
}

/** Images of a list that are computed together: WASM and the CPU gain nothing by more than one. */
const BATCH = 8;
const ONE_BY_ONE: readonly string[] = ['wasm', 'cpu'];

/**
 * A vision transformer (arXiv 2010.11929) with its labels and preprocessing. It computes on the backend that it was
 * built on, whatever is current in tfjs when it is called.
 */
export class VisionTransformer extends ImageClassifier implements ImageModel {
  protected readonly bound: BoundBackend;
  private disposed = false;
  private runtime: Runtime | undefined;
  private runtimeName = '';
  /** Where the weights lay when the runtime was given: an assigned weight lies elsewhere. */
  private runtimeWeights: readonly object[] = [];
  private layers: tfl.LayersModel | undefined;

  /**
   * Binds the model to the backend that is current.
   *
   * @param makeLayers builds the layers with their weights, once they are asked for
   */
  constructor(
    config: VitConfig,
    private readonly makeLayers: () => tfl.LayersModel,
    extras: ModelExtras,
  ) {
    super(config, extras);
    this.bound = currentBackend();
  }

  /**
   * The model as tfjs layers: summary(), fit(), save(), countParams(). It computes on the model's backend too. Where an
   * engine holds the weights, the layers get a copy of them when they are first asked for.
   */
  get layersModel(): tfl.LayersModel {
    if (this.layers) return this.layers;
    const layers = this.onBackend(this.makeLayers);
    // layersModel.save() writes it, so that what it saves is loaded again with everything.
    layers.setUserDefinedMetadata({ deit: modelMetadata(this) });
    bindLayers(layers, this.bound);
    this.layers = layers;
    this.runtimeWeights = this.weightData();
    return layers;
  }

  /** Name of the backend that predicts: the one that it was built or loaded on. */
  override get backend(): string {
    return this.runtime ? this.runtimeName : this.bound.name;
  }

  /**
   * Runs synchronous tfjs code on the model's backend, e.g. to make its input there; what was current in tfjs is
   * current again after it. An input that lies on another backend is moved, which costs a copy.
   *
   * @throws UserError if the model was disposed of, or its backend removed or lost
   */
  onBackend<T>(run: () => T): T {
    checkArguments('onBackend', { run: ['function', run] });
    if (this.disposed) throw new UserError(`${this.config.name}: the model was disposed of; load it again`);
    checkBackend(this.bound.name);
    return onBackend(this.bound, run);
  }

  protected override checkUsable(): void {
    this.onBackend(() => {});
  }

  protected override get batchSize(): number {
    return ONE_BY_ONE.includes(this.backend) && !this.runtime?.run ? 1 : BATCH;
  }

  /** Whether predict is done by a runtime and not by the layers. */
  get hasRuntime(): boolean {
    return this.runtime !== undefined;
  }

  /**
   * Hands prediction to a faster runtime with the same weights; training and features stay with the layers. Once a
   * weight is changed, by training or setWeights, the runtime is disposed and the layers predict again.
   */
  useRuntime(runtime: Runtime, backend = this.bound.name): void {
    this.dropRuntime();
    this.runtime = runtime;
    this.runtimeName = backend;
    this.runtimeWeights = this.layers ? this.weightData() : [];
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
    if (this.runtime && this.layers && this.weightData().some((data, i) => data !== this.runtimeWeights[i])) {
      this.dropRuntime();
    }
    return this.runtime;
  }

  /**
   * Within tf.grad and its like the layers compute, so that gradients of x and of the layers' weights are whole.
   *
   * @param x float32 [B, H, W, C], normalised
   * @returns logits, float32 [B, classes]; with no head, features [B, D]: the class token after the final norm, or the
   *   mean of class and distillation token
   * @throws UserError if x has another shape, the model was disposed of, or its backend removed or lost
   */
  predict(x: tf.Tensor): tf.Tensor2D {
    const input = this.checkInput(x, 'predict');
    return this.onBackend(() => {
      const runtime = this.currentRuntime();
      if (runtime && !isTapeOn()) return runtime.predict(input);
      return tf.tidy(() => this.layersModel.apply(input, { training: false }) as tf.Tensor2D);
    });
  }

  /**
   * Both heads' logits of a model with two, for pixels that are ready, without blocking the event loop; undefined where no
   * engine gives them.
   *
   * @param images float32 [batch, H, W, C], normalised
   * @returns float32 [batch, 2 · classes]: the class head's of an image, then the distillation head's
   */
  async headPixels(images: Float32Array, batch: number): Promise<Float32Array | undefined> {
    this.checkPixels('headPixels', images, batch);
    const runtime = this.onBackend(() => this.currentRuntime());
    return this.predictHeads ? runtime?.heads?.(images, batch) : undefined;
  }

  /**
   * All that is shown of a forward pass: see inspect. Undefined where no engine gives it; x is then not read.
   *
   * @param x float32 [B, H, W, C], normalised
   * @returns the rows of inspectionForward, float32 [B, n]
   */
  async inspectRows(x: tf.Tensor4D): Promise<Float32Array | undefined> {
    const inspect = this.onBackend(() => this.currentRuntime())?.inspect;
    return inspect?.(await x.data<'float32'>(), x.shape[0]);
  }

  /** Both heads' logits of a model with two: see DistilledVisionTransformer. */
  predictHeads?(x: tf.Tensor, options?: CallOptions): [tf.Tensor2D, tf.Tensor2D];

  /** Throws a UserError if a tensor is no batch of inputs. */
  protected checkInput(x: tf.Tensor, method: string): tf.Tensor4D {
    const expected = [...this.config.imgSize, this.config.inChans];
    const takes = `${this.config.name}: ${method} takes a float32 tensor [batch, ${expected.join(', ')}]`;
    if (!(x instanceof tf.Tensor)) throw new UserError(`${takes}; classify takes images`);
    if (x.rank !== 4 || expected.some((side, i) => x.shape[i + 1] !== side)) {
      throw new UserError(`${takes}, got [${x.shape}]`);
    }
    if (x.dtype !== 'float32') throw new UserError(`${takes}, got one of ${x.dtype}`);
    return x as tf.Tensor4D;
  }

  /**
   * Tokens after the final norm, and on demand after each block and the attention weights.
   *
   * @param x float32 [B, H, W, C], normalised
   */
  features(x: tf.Tensor, options: FeatureOptions = {}): Features {
    checkOptions('features', options, { blocks: 'flag', attention: 'flag' });
    const input = this.checkInput(x, 'features');
    const compute = () => {
      const blocks: tf.Tensor3D[] = [];
      const attention: tf.Tensor4D[] = [];
      const ops = new TfjsVitOps(this.weightTensors);
      const watch: Watch<tf.Tensor> = {
        block: options.blocks ? (value) => blocks.push(value as tf.Tensor3D) : undefined,
        attention: options.attention
          ? (value, name, how) => attention.push(ops.attentionWeights(value, name, how))
          : undefined,
      };
      const tokens = encode(ops, this.config, input, { watch });
      return { tokens, blocks, attention } as Features & tf.TensorContainerObject;
    };
    return this.onBackend(() => tf.tidy(compute));
  }

  /**
   * What predict gives, for pixels that are ready, without blocking the event loop where the backend can.
   *
   * @param images float32 [batch, H, W, C], normalised, not to be changed before the answer is there
   * @returns float32 [batch, classes]
   * @throws UserError if there are more or fewer pixels, the model was disposed of, or its backend removed or lost
   */
  override async predictPixels(
    images: Float32Array,
    batch: number,
    options: RunOptions = {},
  ): Promise<Float32Array> {
    const runtime = this.onBackend(() => this.currentRuntime());
    const compute = (x: tf.Tensor4D) => this.predict(x);
    return this.computePixels('predictPixels', images, batch, compute, runtime?.run, options);
  }

  /**
   * As embed, for pixels that are ready, without blocking the event loop where the backend can.
   *
   * @param images float32 [batch, H, W, C], normalised, not to be changed before the answer is there
   * @returns float32 [batch, n · D]: class token, distillation token (those that the model has) and mean of the patch
   *   tokens, as splitEmbedding parts them
   * @throws UserError if there are more or fewer pixels, the model was disposed of, or its backend removed or lost
   */
  override async embedPixels(
    images: Float32Array,
    batch: number,
    options: RunOptions = {},
  ): Promise<Float32Array> {
    const compute = (x: tf.Tensor4D) => embeddingForward(new TfjsVitOps(this.weightTensors), this.config, x);
    const runtime = this.onBackend(() => this.currentRuntime());
    return this.computePixels('embedPixels', images, batch, compute, runtime?.embed, options);
  }

  /** Runs `fast`, or where there is none `compute` on the model's backend. */
  private async computePixels(
    method: string,
    images: Float32Array,
    batch: number,
    compute: (x: tf.Tensor4D) => tf.Tensor,
    fast: Runtime['run'],
    options: RunOptions,
  ): Promise<Float32Array> {
    const shape = this.checkPixels(method, images, batch, options);
    options.signal?.throwIfAborted();
    if (fast) return fast(images, batch, options);
    const output = this.onBackend(() => tf.tidy(() => compute(tf.tensor4d(images, shape))));
    try {
      return await unlessAborted(readValues(output, this.bound.name), options.signal);
    } finally {
      output.dispose();
    }
  }

  /** Frees the weights. A second call does nothing; any other use after it is a UserError. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    // A backend that was removed has freed its tensors with its memory.
    if (!isRunning(this.bound)) return;
    const { layers } = this;
    onBackend(this.bound, () => {
      this.dropRuntime();
      if (layers?.weights.some((weight) => !isFreed(weight))) layers.dispose();
    });
  }
}

/** tfjs does not let one ask: reading a disposed weight throws. */
function isFreed(weight: tfl.LayerVariable): boolean {
  try {
    return weight.read().isDisposed;
  } catch {
    return true;
  }
}
