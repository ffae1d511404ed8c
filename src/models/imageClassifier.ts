/** What classifies images, whatever computes their pixels: no tensor is needed for it. */
import type { Assumption } from '../../converters/facts.js';
import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { concatFloats } from '../concat.js';
import { UserError } from '../errors.js';
import type { VitConfig } from '../families/vit/config.js';
import { showFrozen } from '../frozen.js';
import type { Preprocessing } from '../image/types.js';
import { sizeOf } from '../shape.js';
import { unlessAborted } from '../unlessAborted.js';
import {
  type ClassifyInput,
  checkRgb,
  checkTopK,
  type Prediction,
  toPixels,
  topPredictions,
} from './classify.js';
import { type Embedding, splitEmbedding } from './embedding.js';

/** What goes with a model beside its weights. */
export interface ModelExtras {
  /** Names of the classes, in the order of the logits. */
  labels?: readonly string[];
  /** How images become its input; by default the `deit` preset at the model's input size. */
  preprocessing: Preprocessing;
  /** What was taken for likely when the model was converted. */
  assumptions?: readonly Assumption[];
}

/** Options of classify, logits and embed. */
export interface ImageCallOptions {
  /** Ends the call: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface ClassifyOptions extends ImageCallOptions {
  /** How many classes to give, a whole number of at least 1; 5 by default. */
  topK?: number;
}

export interface RunOptions {
  /** Ends the call, with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A vision transformer (arXiv 2010.11929) with its labels and preprocessing: images in, logits and embeddings out. */
export abstract class ImageClassifier {
  declare readonly config: VitConfig;
  declare readonly labels: readonly string[] | undefined;
  declare readonly preprocessing: Preprocessing;
  /** What neither the checkpoint nor the files beside it told, and was taken for likely; empty if all was told. */
  declare readonly assumptions: readonly Assumption[];

  /** The model shows copies of what it is given, which nobody can change: it computes by them. */
  constructor(config: VitConfig, extras: ModelExtras) {
    checkArguments('a model', { config: ['config', config], extras: ['fields', extras] });
    const { labels, preprocessing, assumptions = [] } = extras;
    checkArguments('a model', { preprocessing: ['preprocessing', preprocessing] });
    showFrozen<ImageClassifier, Partial<ImageClassifier>>(this, {
      config,
      labels,
      preprocessing,
      assumptions,
    });
  }

  /** Name of the backend that predicts. */
  abstract get backend(): string;

  /** Throws a UserError if the model cannot compute any more. */
  protected abstract checkUsable(): void;

  /** Images of a list that are prepared and computed together. */
  protected abstract get batchSize(): number;

  /**
   * The logits for pixels that are ready.
   *
   * @param images float32 [batch, H, W, C], normalised, not to be changed before the answer is there
   * @returns float32 [batch, classes]
   * @throws UserError if there are more or fewer pixels, or the model was disposed of
   */
  abstract predictPixels(images: Float32Array, batch: number, options?: RunOptions): Promise<Float32Array>;

  /**
   * As embed, for pixels that are ready.
   *
   * @param images float32 [batch, H, W, C], normalised, not to be changed before the answer is there
   * @returns float32 [batch, n · D]: class token, distillation token (those that the model has) and mean of the patch
   *   tokens, as splitEmbedding parts them
   * @throws UserError if there are more or fewer pixels, or the model was disposed of
   */
  abstract embedPixels(images: Float32Array, batch: number, options?: RunOptions): Promise<Float32Array>;

  /**
   * Classifies an image, or each of a list.
   *
   * @param image an 8-bit image ({data, width, height}, RGB or RGBA), a tensor [H, W, 3] of levels 0…255 (see
   *   tensorToRgb), or what a platform adds: see NodeImage of deit-tfjs/node and BrowserImage of the browser's entry
   * @returns the `topK` most probable classes, most probable first; of a list, such a list for each
   * @throws UserError if an image cannot be read (of a list, with its place), or the model has no head
   */
  async classify(image: ClassifyInput, options?: ClassifyOptions): Promise<Prediction[]>;
  async classify(images: readonly ClassifyInput[], options?: ClassifyOptions): Promise<Prediction[][]>;
  async classify(
    images: ClassifyInput | readonly ClassifyInput[],
    options: ClassifyOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    checkOptions('classify', options, { topK: 'any', signal: 'signal' });
    const { topK: asked = 5, signal } = options;
    const topK = checkTopK(asked);
    if (this.config.numClasses === 0) {
      throw new UserError(
        `${this.config.name}: has no head to classify with; use embed for its features, or convert it with a head`,
      );
    }
    const ranked = (logits: Float32Array) => topPredictions(logits, topK, this.labels);
    const logits = await this.logits(images, { signal });
    return Array.isArray(logits) ? logits.map(ranked) : ranked(logits);
  }

  /**
   * The logits of an image, or of each of a list.
   *
   * @param image what classify takes
   * @returns float32 [classes]; without a head what predict gives, [D]
   * @throws UserError if an image cannot be read, or a logit is not finite
   */
  async logits(image: ClassifyInput, options?: ImageCallOptions): Promise<Float32Array>;
  async logits(images: readonly ClassifyInput[], options?: ImageCallOptions): Promise<Float32Array[]>;
  async logits(
    images: ClassifyInput | readonly ClassifyInput[],
    options?: ImageCallOptions,
  ): Promise<Float32Array | Float32Array[]>;
  async logits(
    images: ClassifyInput | readonly ClassifyInput[],
    options: ImageCallOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    checkOptions('logits', options, { signal: 'signal' });
    const compute = (pixels: Float32Array, batch: number) => this.predictPixels(pixels, batch, options);
    const rows = await this.eachImage(images, compute, options);
    return isList(images) ? rows : rows[0]!;
  }

  /**
   * What the model makes of an image, or of each of a list, before its head.
   *
   * @param image what classify takes
   * @returns class token, distillation token (undefined where the model has none) and mean of the patch tokens after the
   *   final norm, float32 [D] each
   * @throws UserError if an image cannot be read, or a value is not finite
   */
  async embed(image: ClassifyInput, options?: ImageCallOptions): Promise<Embedding>;
  async embed(images: readonly ClassifyInput[], options?: ImageCallOptions): Promise<Embedding[]>;
  async embed(
    images: ClassifyInput | readonly ClassifyInput[],
    options: ImageCallOptions = {},
  ): Promise<Embedding | Embedding[]> {
    checkOptions('embed', options, { signal: 'signal' });
    const rows = await this.eachImage(
      images,
      (pixels, batch) => this.embedPixels(pixels, batch, options),
      options,
    );
    const embeddings = rows.map((row) => splitEmbedding(this.config, row));
    return isList(images) ? embeddings : embeddings[0]!;
  }

  /** Prepares images and runs `compute` on them in batches; the row of its output [B, n] for each image. */
  private async eachImage(
    given: ClassifyInput | readonly ClassifyInput[],
    compute: (pixels: Float32Array, batch: number) => Promise<Float32Array>,
    { signal }: ImageCallOptions,
  ): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    this.checkUsable(); // before anything is decoded
    checkRgb(this.config);
    // A copy has a place for each image, those that were left out of a list too, and does not change during the call.
    const images = isList(given) ? Array.from(given) : [given];
    const size = this.batchSize;
    const prepare = (start: number) => {
      const prepared = images
        .slice(start, start + size)
        .map((image, i) => this.pixelsOf(image, isList(given) ? start + i : undefined, signal));
      const all = unlessAborted(Promise.all(prepared), signal);
      all.catch(() => {}); // told where it is awaited
      return all;
    };
    const rows: Float32Array[] = [];
    let next = prepare(0);
    for (let start = 0; start < images.length; start += size) {
      const pixels = await next;
      // The next images are decoded while these are computed.
      next = prepare(start + size);
      const all = await compute(concatFloats(pixels), pixels.length);
      this.checkFinite(all);
      for (const i of pixels.keys()) rows.push(rowOf(all, i, pixels.length));
    }
    return rows;
  }

  /** @param place the image's place in a list, if it is in one */
  private async pixelsOf(
    image: ClassifyInput,
    place: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const pixels = toPixels(image, this.preprocessing, signal);
    return place === undefined ? pixels : ofList(pixels, place);
  }

  /** Throws a UserError if pixels are not as many as a batch of inputs has; gives the batch's shape. */
  protected checkPixels(
    method: string,
    images: Float32Array,
    batch: number,
    options?: RunOptions,
  ): [number, number, number, number] {
    const shape: [number, number, number, number] = [batch, ...this.config.imgSize, this.config.inChans];
    checkArguments(`${this.config.name}: ${method}`, { images: ['floats', images], batch: ['size', batch] });
    checkOptions(method, options, { signal: 'signal' });
    if (images.length === sizeOf(shape)) return shape;
    throw new UserError(
      `${this.config.name}: ${method} takes ${shape.join(' × ')} numbers, got ${images.length}`,
    );
  }

  private checkFinite(values: Float32Array): void {
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) return;
    throw new UserError(
      `${this.config.name}: its output holds ${values[bad]} on the ${this.backend} backend; ` +
        'its weights have diverged, or are too large for the backend’s floats',
    );
  }
}

/** What becomes of an image of a list: where it is wrong, the error says which one it was. */
export async function ofList<T>(result: Promise<T>, place: number): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`image ${place} of the list: ${error.message}`, { cause: error });
  }
}

/** Arrays of one length, one behind the other. */
function isList(images: ClassifyInput | readonly ClassifyInput[]): images is readonly ClassifyInput[] {
  return Array.isArray(images);
}

/** Row i of float32 [rows, n], as a copy. */
function rowOf(values: Float32Array, i: number, rows: number): Float32Array {
  const width = values.length / rows;
  return values.slice(i * width, (i + 1) * width);
}
