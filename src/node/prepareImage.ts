/** Prepares any image of classify without holding up the event loop: large ones in threads, small ones in turns. */
import { readFile, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { imageFormat, imageSize } from '../image/imageFormat.js';
import { preprocess } from '../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../image/types.js';
import { checkPixels, tensorLevels } from '../models/classify.js';
import { type Levels, levelsToRgb } from '../models/levelsToRgb.js';
import { dropAlpha, type PixelData } from '../models/pixels.js';
import { withDeadline } from './deadline.js';
import { decodeSource, type ImageSource, readNodeImage } from './imageInputs.js';
import { hasImageThreads, type ImageWork, prepareInThread } from './imageThreads.js';

/** Pixels of an image that is resized here: about 2 ms, less than a thread costs to start. */
const FEW_PIXELS = 640 * 512;
/** Pixels of an image that is decoded here by the readers of src/image/formats, which do not wait for anything. */
const FEW_DECODED = 256 * 256;
/** Bytes of a file that is looked at here. */
const FEW_BYTES = 2 ** 18;
/** How long that may take, in ms: a file system that does not answer has the deadline of decodeImage. */
const LOOK_MS = 1000;
/** Bytes that are copied at once: about 1 ms. */
const COPIED_AT_ONCE = 2 ** 22;

/** As toPixels, for every input. */
export async function prepareImage(
  input: unknown,
  preprocessing: Preprocessing,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const source = await readNodeImage(input, signal);
  if (source) return prepareSource(source, preprocessing, signal);
  if (input instanceof tf.Tensor) {
    const given = await tensorLevels(input);
    const { levels, width, height } = given;
    const gather = async () => ({ levels: await shared(levels), width, height });
    return away(width * height, gather, () => levelsToRgb(given as Levels), preprocessing, signal);
  }
  return preparePixels(checkPixels(input), preprocessing, signal);
}

async function prepareSource(
  source: ImageSource,
  preprocessing: Preprocessing,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  if ('image' in source) return preparePixels(source.image, preprocessing, signal);
  const small = 'file' in source ? await isSmallFile(source.file) : isSmall(source.bytes);
  if (small) return preparePixels(await decodeSource(source), preprocessing, signal);
  const gather = async (): Promise<ImageWork> =>
    'file' in source ? source : { bytes: await shared(source.bytes), label: source.label };
  return away(Number.POSITIVE_INFINITY, gather, () => decodeSource(source), preprocessing, signal);
}

function preparePixels(
  image: PixelData,
  preprocessing: Preprocessing,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const { data, width, height } = image;
  const gather = async () => ({ pixels: await shared(data), width, height });
  return away(width * height, gather, () => dropAlpha(image), preprocessing, signal);
}

/** In a thread, unless there are few pixels or no threads. */
async function away(
  pixels: number,
  gather: () => Promise<ImageWork>,
  decode: () => RgbImage | Promise<RgbImage>,
  preprocessing: Preprocessing,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  if (pixels > FEW_PIXELS && hasImageThreads()) {
    const prepared = await prepareInThread(gather, preprocessing, signal);
    if (prepared) return prepared;
  }
  return here(decode, preprocessing, signal);
}

let last: Promise<unknown> = Promise.resolve();

/** One image after another, and the event loop has its turn before each. */
function here(
  decode: () => RgbImage | Promise<RgbImage>,
  preprocessing: Preprocessing,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const prepared = last.then(async () => {
    await setImmediate();
    signal?.throwIfAborted();
    return preprocess(await decode(), preprocessing);
  });
  last = prepared.then(
    () => {},
    () => {},
  );
  return prepared;
}

/** Whether an image file is read, decoded and resized in a few milliseconds; whoever reads it next reports a failure. */
async function isSmallFile(path: string): Promise<boolean> {
  const look = async () => {
    const info = await stat(path);
    if (!info.isFile()) return true; // refused at once
    return info.size <= FEW_BYTES && isSmall(await readFile(path));
  };
  const late = new Error('late');
  return withDeadline(look(), LOOK_MS, () => late).catch((error) => error !== late);
}

function isSmall(bytes: Uint8Array): boolean {
  if (bytes.length > FEW_BYTES) return false;
  const format = imageFormat(bytes);
  if (format === undefined) return true; // refused by its first bytes
  const size = imageSize(bytes);
  if (!size) return false;
  const asynchronous = format === 'JPEG' || format === 'WebP';
  return size.width * size.height <= (asynchronous ? FEW_PIXELS : FEW_DECODED);
}

/** A copy in shared memory, made in pieces between which the event loop has its turn. */
async function shared<T extends Uint8Array | Uint8ClampedArray | Float32Array | Int32Array>(
  values: T,
): Promise<T extends Float32Array ? Float32Array : T extends Int32Array ? Int32Array : Uint8Array> {
  const from = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const memory = new SharedArrayBuffer(from.length);
  const to = new Uint8Array(memory);
  for (let start = 0; start < from.length; start += COPIED_AT_ONCE) {
    if (start > 0) await setImmediate();
    to.set(from.subarray(start, start + COPIED_AT_ONCE), start);
  }
  if (values instanceof Float32Array) return new Float32Array(memory) as never;
  if (values instanceof Int32Array) return new Int32Array(memory) as never;
  return to as never;
}
