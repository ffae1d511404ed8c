import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../errors.js';
import { preprocess } from '../image/index.js';
import type { Preprocessing, RgbImage } from '../image/types.js';

/** An 8-bit picture of 3 (RGB) or 4 (RGBA, as ImageData) bytes a pixel; alpha is dropped, as PIL drops it. */
export interface PixelData {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** What classify takes; platforms add to it by addImageDecoder. */
export type ClassifyInput = PixelData | tf.Tensor3D | unknown;

export interface Prediction {
  /** Index of the class. */
  index: number;
  /** Name of the class, or its index as text where the model has no labels. */
  label: string;
  /** Softmax over all classes. */
  probability: number;
  logit: number;
}

/** Turns a platform's own kind of picture into pixels, or gives undefined if it is not one of its kinds. */
export type ImageDecoder = (input: unknown) => Promise<RgbImage> | undefined;

const decoders: ImageDecoder[] = [];

/** Lets classify take another kind of input. src/node adds paths and bytes, src/browser elements and blobs. */
export function addImageDecoder(decoder: ImageDecoder): void {
  decoders.push(decoder);
}

/** Any input of classify → normalised float32 [H, W, 3]. */
export async function toPixels(input: ClassifyInput, preprocessing: Preprocessing): Promise<Float32Array> {
  return preprocess(await toRgb(input), preprocessing);
}

/** Any input of classify → RGB bytes. */
export async function toRgb(input: ClassifyInput): Promise<RgbImage> {
  if (input instanceof tf.Tensor) return tensorToRgb(input);
  for (const decode of decoders) {
    const image = decode(input);
    if (image) return image;
  }
  if (isPixelData(input)) return dropAlpha(input);
  throw new UserError(
    'classify takes {data, width, height} with 3 or 4 bytes a pixel, or a tensor [height, width, 3] of levels 0…255',
  );
}

function isPixelData(input: unknown): input is PixelData {
  const { data, width, height } = (input ?? {}) as Partial<PixelData>;
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) return false;
  if (!width || !height) return false;
  return data.length === 3 * width * height || data.length === 4 * width * height;
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

async function tensorToRgb(tensor: tf.Tensor): Promise<RgbImage> {
  const [height, width, channels] = tensor.shape;
  if (tensor.rank !== 3 || channels !== 3) {
    throw new UserError(`classify takes a tensor [height, width, 3] of levels 0…255, got [${tensor.shape}]`);
  }
  return { data: Uint8Array.from(await tensor.data()), width, height };
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
