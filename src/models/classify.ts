import * as tf from '@tensorflow/tfjs-core';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { preprocess } from '../image/index.js';
import type { Preprocessing, RgbImage } from '../image/types.js';

/** An 8-bit picture of 3 (RGB) or 4 (RGBA, as ImageData) bytes a pixel; alpha is dropped, as PIL drops it. */
export interface PixelData {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

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
  if (input instanceof tf.Tensor) return tensorToRgb(input);
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
  const { data, width, height } = input as { data: unknown; width: unknown; height: unknown };
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
  const pixels = input.width * input.height;
  if (data.length === 3 * pixels || data.length === 4 * pixels) return input;
  throw new UserError(
    `an image of ${width} × ${height} pixels has ${3 * pixels} bytes of RGB or ${4 * pixels} of RGBA, got ${data.length}`,
  );
}

function dropAlpha({ data, width, height }: PixelData): RgbImage {
  const pixels = width * height;
  if (data.length === 3 * pixels) {
    return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), width, height };
  }
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    rgb[3 * i] = data[4 * i];
    rgb[3 * i + 1] = data[4 * i + 1];
    rgb[3 * i + 2] = data[4 * i + 2];
  }
  return { data: rgb, width, height };
}

/** Normalised values lie within this: (1 − mean) / std of every preset is below 3. */
const MOST_NORMALIZED = 16;
/** A resampled image undershoots level 0 by less than this; centred levels (minus a mean) go below it. */
const LEAST_LEVEL = -64;

/**
 * A tensor [H, W, 3] of levels as RGB bytes, as Pillow converts modes F and I: below 0 becomes 0, above 255 becomes
 * 255, and a fraction is cut off.
 *
 * A float tensor whose range is that of normalised values is refused: all within 0…1, or some below 0 and none above
 * 16, or some below −64. Two cases cannot be told from their range: all values 0, which is taken for black, and a very
 * dark image whose levels are all 0 or 1, which is refused as a float tensor and taken as one of int32.
 *
 * @throws UserError for another shape or dtype, NaN or infinity, or a normalised tensor
 */
export async function tensorToRgb(tensor: tf.Tensor): Promise<RgbImage> {
  const [height, width, channels] = tensor.shape;
  if (tensor.rank !== 3 || channels !== 3) {
    throw new UserError(`classify takes a tensor [height, width, 3] of levels 0…255, got [${tensor.shape}]`);
  }
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'int32') {
    throw new UserError(
      `classify takes a tensor of levels 0…255 as int32 or float32, got one of ${tensor.dtype}`,
    );
  }
  const levels = (await tensor.data()) as Float32Array | Int32Array;
  if (tensor.dtype === 'float32') checkLevels(levels);
  // Clamps; a fraction is cut off first, where the array alone would round it.
  return { data: new Uint8Array(Uint8ClampedArray.from(levels, Math.trunc).buffer), width, height };
}

function checkLevels(levels: ArrayLike<number>): void {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i];
    if (!Number.isFinite(level)) throw new UserError(`the tensor of levels holds ${level} at place ${i}`);
    if (level < min) min = level;
    if (level > max) max = level;
  }
  const black = min === 0 && max === 0;
  const normalized = max <= 1 || (min < 0 && max <= MOST_NORMALIZED) || min < LEAST_LEVEL;
  if (black || !normalized) return;
  const range = `${Number(min.toPrecision(4))}…${Number(max.toPrecision(4))}`;
  throw new UserError(
    `classify takes a tensor of levels 0…255, and the values ${range} look normalised; ` +
      'multiply values of 0…1 by 255, give levels as int32, or give a normalised batch to predict',
  );
}

/** Checks the number of classes that are asked for. */
export function checkTopK(topK: number): number {
  if (Number.isSafeInteger(topK) && topK >= 1) return topK;
  throw new UserError(`topK is a whole number of at least 1, got ${describeValue(topK)}`);
}

/** The `topK` largest of a picture's logits [classes] with their softmax; ties go to the lower index. */
export function topPredictions(
  logits: ArrayLike<number>,
  topK: number,
  labels?: readonly string[],
): Prediction[] {
  const values = Array.from(logits);
  const max = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = values.reduce((total, value) => total + Math.exp(value - max), 0);
  return topIndices(values, topK).map((index) => ({
    index,
    label: labels?.[index] ?? String(index),
    probability: Math.exp(values[index] - max) / sum,
    logit: values[index],
  }));
}

/** Indices of the k largest values, largest first; ties go to the lower index. */
export function topIndices(values: ArrayLike<number>, k: number): number[] {
  const order = Array.from(values, (_, i) => i);
  return order.sort((a, b) => values[b] - values[a] || a - b).slice(0, k);
}
