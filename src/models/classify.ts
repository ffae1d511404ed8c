import type * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../checkArguments.js';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { preprocess } from '../image/index.js';
import type { Preprocessing, RgbImage } from '../image/types.js';
import { isTensor } from '../isTensor.js';
import { type Levels, levelsToRgb } from './levelsToRgb.js';
import { dropAlpha, type PixelData } from './pixels.js';

export type { PixelData } from './pixels.js';

/** Kinds of image by platform: src/node and src/browser add a member each, so that an entry's types name its own. */
// biome-ignore lint/suspicious/noEmptyInterface: platforms add to it
export interface PlatformImages {}

/** What classify takes: pixels, a tensor [H, W, 3] of levels 0…255, and the kinds of the platform. */
export type ClassifyInput = PixelData | tf.Tensor3D | PlatformImages[keyof PlatformImages];

export interface Prediction {
  /** Index of the class. */
  index: number;
  /** Name of the class, or its index as text where the model has no labels. */
  label: string;
  /** Softmax over all classes. */
  probability: number;
  logit: number;
}

/** Turns a platform's own kind of image into pixels, or gives undefined if it is not one of its kinds. */
export type ImageDecoder = (input: unknown, signal?: AbortSignal) => Promise<RgbImage> | undefined;

/**
 * Turns an input into a model's pixels off the calling thread, float32 [H, W, 3], or gives undefined for one that it
 * leaves to the decoders and preprocess.
 */
export type ImagePreparer = (
  input: unknown,
  preprocessing: Preprocessing,
  signal?: AbortSignal,
) => Promise<Float32Array> | undefined;

const decoders: { decode: ImageDecoder; kinds: string }[] = [];
let prepare: ImagePreparer | undefined;

/**
 * Lets classify take another kind of input.
 *
 * @param kinds names them in the error for what is none, e.g. `a path`
 */
export function addImageDecoder(decode: ImageDecoder, kinds = ''): void {
  checkArguments('addImageDecoder', { decode: ['function', decode], kinds: ['text', kinds] });
  decoders.push({ decode, kinds });
}

/** Sets what prepares images off the calling thread; src/node has one. */
export function setImagePreparer(preparer: ImagePreparer): void {
  prepare = preparer;
}

/** Any input of classify → normalised float32 [H, W, 3]. */
export async function toPixels(
  input: ClassifyInput,
  preprocessing: Preprocessing,
  signal?: AbortSignal,
): Promise<Float32Array> {
  return prepare?.(input, preprocessing, signal) ?? preprocess(await toRgb(input, signal), preprocessing);
}

/** Any input of classify → RGB bytes. */
export async function toRgb(input: ClassifyInput, signal?: AbortSignal): Promise<RgbImage> {
  if (isTensor(input)) return tensorToRgb(input);
  for (const { decode } of decoders) {
    const image = decode(input, signal);
    if (image) return image;
  }
  return dropAlpha(checkPixels(input));
}

function looksLikePixels(input: unknown): input is PixelData {
  return (
    typeof input === 'object' && input !== null && 'data' in input && 'width' in input && 'height' in input
  );
}

function noImage(input: unknown): UserError {
  const kinds = decoders.map((each) => each.kinds).filter(Boolean);
  const others = [
    '{data, width, height} with 3 or 4 bytes a pixel',
    'a tensor [height, width, 3] of levels 0…255',
  ];
  return new UserError(
    `an image is expected, got ${describeValue(input)}; give ${[...kinds, ...others].join(', or ')}`,
  );
}

/** Checks that an input is pixels. Throws a UserError that says what else classify takes if it is nothing like them. */
export function checkPixels(input: unknown): PixelData {
  if (!looksLikePixels(input)) throw noImage(input);
  const { data, width, height, colorSpace } = input as PixelData & { colorSpace?: unknown };
  const side = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1;
  if (!side(width) || !side(height)) {
    throw new UserError(
      `an image’s width and height are whole numbers of at least 1, got ${describeValue(width)} and ${describeValue(height)}`,
    );
  }
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new UserError(
      `an image’s data is a Uint8Array or Uint8ClampedArray of levels 0…255, got ${describeValue(data)}`,
    );
  }
  if (colorSpace !== undefined && colorSpace !== 'srgb') {
    throw new UserError(
      `an image’s levels are those of sRGB, got ${describeValue(colorSpace)} as its colorSpace; make its ImageData with { colorSpace: 'srgb' }`,
    );
  }
  const pixels = input.width * input.height;
  if (data.length === 3 * pixels || data.length === 4 * pixels) return input;
  throw new UserError(
    `an image of ${width} × ${height} pixels has ${3 * pixels} bytes of RGB or ${4 * pixels} of RGBA, got ${data.length}`,
  );
}

/** The same as levelsToRgb, for a tensor [H, W, 3]. */
export async function tensorToRgb(tensor: tf.Tensor): Promise<RgbImage> {
  return levelsToRgb(await tensorLevels(tensor));
}

/**
 * What a tensor [H, W, 3] holds.
 *
 * @throws UserError for another shape or dtype
 */
export async function tensorLevels(tensor: tf.Tensor): Promise<Levels> {
  const [height, width, channels] = tensor.shape as [number, number, number];
  if (tensor.isDisposed)
    throw new UserError('the tensor of an image has been disposed of; keep it until the answer is there');
  if (tensor.rank !== 3 || channels !== 3 || height < 1 || width < 1) {
    throw new UserError(`classify takes a tensor [height, width, 3] of levels 0…255, got [${tensor.shape}]`);
  }
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'int32') {
    throw new UserError(
      `classify takes a tensor of levels 0…255 as int32 or float32, got one of ${tensor.dtype}`,
    );
  }
  return { levels: (await tensor.data()) as Float32Array | Int32Array, width, height };
}

/** Throws a UserError for a model that takes other pixels than RGB, which is what every image is decoded to. */
export function checkRgb({ name, inChans = 3 }: { readonly name: string; readonly inChans?: number }): void {
  if (inChans === 3) return;
  throw new UserError(
    `${name}: takes images of ${inChans} ${inChans === 1 ? 'channel' : 'channels'}, and images are decoded to 3 (RGB); give predict a tensor`,
  );
}

/** Checks the number of classes that are asked for. */
export function checkTopK(topK: number): number {
  if (Number.isSafeInteger(topK) && topK >= 1) return topK;
  throw new UserError(`topK is a whole number of at least 1, got ${describeValue(topK)}`);
}

/** The `topK` largest of an image's logits [classes] with their softmax; ties go to the lower index. */
export function topPredictions(
  logits: ArrayLike<number>,
  topK: number,
  labels?: readonly string[],
): Prediction[] {
  const values = Array.from(logits);
  const max = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = values.reduce((total, value) => total + Math.exp(value - max), 0);
  return topIndices(values, topK).map((index) => {
    const logit = values[index]!;
    return {
      index,
      label: labels?.[index] ?? String(index),
      probability: Math.exp(logit - max) / sum,
      logit,
    };
  });
}

/** As many are kept in order while the values are gone through; for more, sorting all is faster. */
const FEW = 32;

/** Indices of the k largest values, largest first; ties go to the lower index. */
export function topIndices(values: ArrayLike<number>, k: number): number[] {
  if (k > FEW) {
    const order = Array.from(values, (_, i) => i);
    return order.sort((a, b) => values[b]! - values[a]! || a - b).slice(0, k);
  }
  const top: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (top.length === k && !(value > values[top[k - 1]!]!)) continue;
    let place = Math.min(top.length, k - 1);
    for (; place > 0 && value > values[top[place - 1]!]!; place--) top[place] = top[place - 1]!;
    top[place] = i;
  }
  return top;
}
