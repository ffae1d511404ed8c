/** How an image of a data set becomes a model's input. */
import { UserError } from '../errors.js';
import { preprocess } from '../image/preprocess.js';
import type { Preprocessing, RgbImage } from '../image/types.js';
import { augmentImage } from './augment/augmentImage.js';
import type { AugmentConfig } from './config.js';

/** Plain data: worker threads get it. */
export interface TransformSpec {
  readonly preprocessing: Preprocessing;
  /** Absent for evaluation: resized, cropped and normalised, nothing more. */
  readonly training?: { readonly augment: AugmentConfig; readonly seed: number };
}

/** Images that stand one after another in an epoch. */
export interface BatchSlice {
  readonly epoch: number;
  /** Place of the first in the epoch. */
  readonly place: number;
  /** Their indices in the data set. */
  readonly indices: Int32Array;
}

/** The inputs of a slice. */
export interface PreparedSlice {
  /** float32 [images, H, W, 3]; anything where an image could not be read. */
  readonly pixels: Float32Array<ArrayBuffer>;
  /** Images that could not be read, by their place in the slice, each with one line that names it. */
  readonly failures: readonly { readonly place: number; readonly message: string }[];
}

/** An image that is not read yet. */
export interface NamedImage {
  /** What it is called in messages. */
  readonly name: string;
  read(): Promise<RgbImage>;
}

/** Number of values of an input. */
export function inputLength({ preprocessing: { crop } }: TransformSpec): number {
  return crop[0] * crop[1] * 3;
}

/** One image as an input, written to `out`, float32 [H, W, 3]. */
function transform(
  image: RgbImage,
  { preprocessing, training }: TransformSpec,
  key: { readonly epoch: number; readonly place: number },
  out: Float32Array<ArrayBuffer>,
): void {
  if (!training) preprocess(image, preprocessing, out);
  else augmentImage(image, training.augment, preprocessing, { seed: training.seed, ...key }, out);
}

/**
 * Images as inputs, one after another. Never rejects: an image that cannot be read is told.
 *
 * @param memory for the pixels, if it is large enough
 */
export async function transformSlice(
  images: readonly NamedImage[],
  spec: TransformSpec,
  { epoch, place }: Pick<BatchSlice, 'epoch' | 'place'>,
  memory?: ArrayBuffer,
): Promise<PreparedSlice> {
  const length = inputLength(spec);
  const needed = 4 * length * images.length;
  const buffer = memory && memory.byteLength >= needed ? memory : new ArrayBuffer(needed);
  const pixels = new Float32Array(buffer, 0, length * images.length);
  const failures: PreparedSlice['failures'][number][] = [];
  for (const [i, { name, read }] of images.entries()) {
    try {
      const out = pixels.subarray(i * length, (i + 1) * length);
      transform(await read(), spec, { epoch, place: place + i }, out);
    } catch (error) {
      failures.push({ place: i, message: reasonOf(error as Error, name) });
    }
  }
  return { pixels, failures };
}

function reasonOf(error: Error, name: string): string {
  if (error instanceof UserError) return error.message;
  return `${name}: ${error.message.replaceAll('\n', ' ')}`;
}
