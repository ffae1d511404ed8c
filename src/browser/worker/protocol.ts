/** What a page and its worker say to each other: calls with a number each, and answers that carry it. */
import type { ConvertOptions } from '../../../converters/convert.js';
import type { BackendChoice } from '../../backend.js';
import type { AttentionStack } from '../../explain/index.js';
import type { VitConfig } from '../../families/vit/config.js';
import type { Preprocessing, RgbImage } from '../../image/types.js';
import type { PixelData, Prediction } from '../../models/classify.js';
import type { LoadProgress } from '../../models/load.js';
import type { Embedding, FeatureOptions } from '../../models/visionTransformer.js';
import type { SentAssets } from '../assets.js';
import type { AnswerMessage, CallMessage } from './calls.js';

/** A tensor as it travels: float32, row by row. */
export interface PlainTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** An image as it travels. */
export type SentImage = Blob | ImageBitmap | PixelData | RgbImage;

/** What a model is, beside its weights. */
export interface ModelDescription {
  readonly config: VitConfig;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  readonly backend: BackendChoice;
}

/** Milliseconds that an image took in each stage. */
export interface StageTimes {
  readonly decode: number;
  /** Resize, crop, normalise. */
  readonly preprocess: number;
  /** The forward pass, until its values are back from the device. */
  readonly model: number;
}

/** The logits of an image, and of a distilled model's two heads, whose mean they are. */
export interface HeadLogits {
  readonly logits: Float32Array;
  readonly head?: Float32Array;
  readonly headDist?: Float32Array;
  readonly times: StageTimes;
}

export interface PlainFeatures {
  readonly tokens: PlainTensor;
  readonly blocks: readonly PlainTensor[];
  readonly attention: readonly PlainTensor[];
}

export interface LoadRequest {
  readonly source: string | Uint8Array | ArrayBuffer | Blob | readonly File[];
  readonly backend?: string;
  readonly cache?: boolean | number;
  readonly convert?: ConvertOptions;
  readonly assets: SentAssets;
}

/** What a worker does; each is a call and its answer. */
export type WorkerMethods = {
  load(request: LoadRequest): ModelDescription;
  classify(image: SentImage, options: { topK?: number }): Prediction[];
  logits(image: SentImage): HeadLogits;
  embed(image: SentImage): Embedding;
  attention(image: SentImage): AttentionStack;
  predict(x: PlainTensor): PlainTensor;
  features(x: PlainTensor, options: FeatureOptions): PlainFeatures;
};

export type MethodName = keyof WorkerMethods;

/** Of a load, as load's onProgress. */
export type Progress = readonly [fraction: number, progress: LoadProgress];

export interface SentError {
  readonly name: string;
  readonly message: string;
}

export type ToWorker = CallMessage<MethodName>;
export type FromWorker = AnswerMessage<Progress, SentError>;
