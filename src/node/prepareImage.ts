/** Prepares any image of classify without holding up the event loop: large or many ones in threads, small ones in turns. */
import { readFile, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { imageFormat, imageSize } from '../image/imageFormat.js';
import { preprocess } from '../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../image/types.js';
import { isTensor } from '../isTensor.js';
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
/** Bytes that are copied at once: well below 1 ms. */
const COPIED_AT_ONCE = 2 ** 20;
/** Images that may be in work before even small ones go to threads: many together would hold up the event loop. */
const FEW_IMAGES = 2;

/** As toPixels, for several inputs. */
export async function prepareImage(
  input: unknown,
  preprocessing: Preprocessing,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const crowded = inWork >= FEW_IMAGES;
  inWork++;
  try {
    const way = await wayOf(input, crowded, signal);
    if (way.away && hasImageThreads()) {
      const prepared = await prepareInThread(way.gather, preprocessing, signal);
      if (prepared) return prepared;
    }
    return await here(way.decode, preprocessing, signal);
  } finally {
    inWork--;
  }
}

/** Images that are being prepared, here or in threads. */
let inWork = 0;

/** How an image is prepared. */
interface Way {
  /** In a thread, where there are any. */
  readonly away: boolean;
  /** What the thread is sent. */
  readonly gather: () => Promise<ImageWork>;
  /** The image's pixels, without a thread. */
  readonly decode: () => RgbImage | Promise<RgbImage>;
}

/** @param crowded whether even a small image goes to a thread */
async function wayOf(input: unknown, crowded: boolean, signal: AbortSignal | undefined): Promise<Way> {
  const source = await readNodeImage(input, signal);
  if (source) return 'image' in source ? pixelsWay(source.image, crowded) : fileWay(source, crowded);
  if (!isTensor(input)) return pixelsWay(checkPixels(input), crowded);
  const given = await tensorLevels(input);
  const { levels, width, height } = given;
  return {
    away: crowded || width * height > FEW_PIXELS,
    gather: async () => ({ levels: await shared(levels), width, height }),
    decode: () => levelsToRgb(given as Levels),
  };
}

function pixelsWay(image: PixelData, crowded: boolean): Way {
  const { data, width, height } = image;
  return {
    away: crowded || width * height > FEW_PIXELS,
    gather: async () => ({ pixels: await shared(data), width, height }),
    decode: () => dropAlpha(image),
  };
}

async function fileWay(source: Exclude<ImageSource, { image: unknown }>, crowded: boolean): Promise<Way> {
  const small = async () => ('file' in source ? isSmallFile(source.file) : isSmall(source.bytes));
  return {
    away: crowded || !(await small()),
    gather: async () =>
      'file' in source ? source : { bytes: await shared(source.bytes), label: source.label },
    decode: () => decodeSource(source),
  };
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
    const pixels = preprocess(await decode(), preprocessing);
    await setImmediate(); // what computes them starts in a turn of its own
    return pixels;
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
