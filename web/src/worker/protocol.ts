/** What the page and its worker say to each other. */

import type { ConvertOptions } from '../../../converters/convert.js';
import type { AnswerMessage, CallMessage } from '../../../src/browser/worker/calls.js';
import type { HeadFusion } from '../../../src/explain/rollout.js';
import type { PatchMap, QueryToken } from '../../../src/explain/types.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import type { Preprocessing } from '../../../src/image/types.js';

/** A checkpoint, the files of a converted folder, or the address of either. */
export type ModelData = string | File | readonly File[];

/** What a loaded model is. */
export interface Description {
  readonly config: VitConfig;
  readonly parameters: number;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  readonly presets: readonly string[];
  /** What runs the model, and why the others were passed over. */
  readonly backend: {
    readonly backend: string;
    readonly description: string;
    readonly passedOver: readonly string[];
  };
  readonly assumptions: readonly string[];
}

/** How an image is looked at. */
export interface LookOptions {
  /** Name of a preset, or '' for the model's own preprocessing. */
  readonly preset: string;
  /** Whether a photograph is turned as its EXIF says; PIL leaves it as it is stored. */
  readonly upright: boolean;
  readonly token: QueryToken;
}

/** Milliseconds that an image took in each stage. */
export interface Times {
  readonly decode: number;
  /** Resize, crop, normalise. */
  readonly preprocess: number;
  /** The forward pass, until its values are back from the device. */
  readonly model: number;
}

/** An image as it is shown. */
export interface View {
  /** The part that the model sees, at most about twice the canvas. */
  readonly bitmap: ImageBitmap;
  /** Sides in the model's proportions. */
  readonly columns: number;
  readonly rows: number;
  /** Whether it is to be shown pixel by pixel. */
  readonly small: boolean;
  /** EXIF orientation 1…8; 1 where there is none. */
  readonly orientation: number;
  readonly width: number;
  readonly height: number;
}

/** Logits of the whole model, and of a distilled model's two heads. */
export interface Logits {
  readonly logits: Float32Array;
  readonly heads: readonly Float32Array[];
}

/** The attention of one token in all layers and heads. */
export interface TokenMaps {
  readonly token: QueryToken;
  /** float32 [layers, 1 + heads, patches]: of each layer the mean of the heads, then each head. */
  readonly values: Float32Array;
}

/** What the model makes of an image: all of one decoding and one forward pass. */
export interface Seen extends Logits {
  readonly view: View;
  readonly grid: readonly [rows: number, columns: number];
  readonly maps: TokenMaps;
  readonly times: Times;
  readonly preprocessing: Preprocessing;
}

/** What a report shows of an image: as the model sees it, and where it looks. */
export interface Glance {
  readonly view: View;
  /** Attention in the last layer, mean of the heads: of the class token, or where there is none of all patches. */
  readonly map: PatchMap;
  readonly token: 'cls' | 'mean';
}

export interface RolloutRequest {
  readonly token: QueryToken;
  readonly fusion: HeadFusion;
  readonly discardRatio: number;
}

/** Patch colours: RGB bytes, one pixel a patch. */
export interface PatchColors {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface LoadRequest {
  readonly backend: string;
  /** What a checkpoint does not tell of its model. */
  readonly hints?: ConvertOptions;
  /** Whether to compute with 8-bit weights. */
  readonly int8: boolean;
}

/** Examples of classes of one's own. */
export interface OwnClasses {
  /** Rows of headFeatures. */
  readonly features: readonly Float32Array[];
  /** Of each row, its place in `names`. */
  readonly labels: readonly number[];
  readonly names: readonly string[];
  /** The preset by which the features were made. */
  readonly preset: string;
}

/** A model with heads for classes of one's own. */
export interface TrainedClasses {
  /** A safetensors file. */
  readonly checkpoint: Blob;
  /** Mean cross entropy of the examples after the last step, in nats. */
  readonly loss: number;
  /** Examples that a first training did not see, and how many of them it named rightly; none where a class has few. */
  readonly heldOut: { readonly correct: number; readonly total: number } | undefined;
}

/** Tensors by name, and what they are of. */
export interface TensorList {
  readonly of: string;
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly dtype: string;
  }[];
}

/** How the values of a tensor are spread. `counts`: in as many bins of equal width from min to max. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
  /** Values that are NaN or infinite. */
  readonly bad: number;
  readonly counts: Uint32Array;
}

/** What the worker does. All but `load`, `preview`, `scores`, `glance`, `headFeatures`, `train` and what is of tensors speak of the image that was looked at last. */
export type Methods = {
  load(data: ModelData, options: LoadRequest): Description;
  /** An image without a model. */
  preview(image: Blob, upright: boolean): View;
  look(image: Blob | ImageBitmap, options: LookOptions): Seen;
  maps(token: QueryToken): TokenMaps;
  rollout(request: RolloutRequest): PatchMap;
  relevance(classIndex: number, token: 'cls' | 'dist'): PatchMap;
  similarity(patch: number): PatchMap;
  colors(): PatchColors;
  /** The answer with some patches replaced by the mean colour. */
  erase(patches: readonly number[]): Logits;
  /** The answer alone, for an evaluation. */
  scores(image: Blob, preset: string): Logits;
  glance(image: Blob, preset: string): Glance;
  /** What the model's heads read of an image, for heads of other classes. */
  headFeatures(image: Blob, preset: string, upright: boolean): Float32Array;
  /** Trains such heads; the model itself stays as it is. */
  train(classes: OwnClasses): TrainedClasses;
  tensors(): TensorList;
  /** The tensors of a checkpoint of which there is no model. */
  inspect(file: File): TensorList;
  histogram(tensor: string): Histogram;
  /** Class indices of class folders. */
  match(folders: readonly string[]): { indices: readonly number[]; by: string };
  /** Milliseconds of one forward pass. */
  time(): number;
};

export type MethodName = keyof Methods;

export type ToWorker =
  /** Comes first: the address of the library. */
  { readonly library: string } | CallMessage<MethodName>;

/** Of a load or a training: its fraction, and the bytes behind it. */
export type Progress = readonly [fraction: number, loaded: number, total: number];

export interface SentError {
  readonly name: string;
  readonly message: string;
  /** What the error is about: the backend, an image that cannot be read, or what else was given. */
  readonly about: 'backend' | 'image' | 'input' | 'page';
}

export type FromWorker = AnswerMessage<Progress, SentError>;

/** What is said where the page's own scripts do not come. */
export const NO_FILES = 'the files of this page cannot be fetched; check the network, then try again';
