import type { RgbImage } from '../image/types.js';
import type { Dataset } from './dataset.js';

/** Images of one size in memory. Plain data: threads share it where `data` is shared memory. */
export interface ImageArray {
  readonly width: number;
  readonly height: number;
  /** 1: grey, the level of all three colours; 3: interleaved R, G, B. */
  readonly channels: 1 | 3;
  /** Image by image, row by row. */
  readonly data: Uint8Array;
}

/** A data set whose images are in memory. */
export interface InMemoryDataset extends Dataset {
  readonly images: ImageArray;
}

/** Image `index` as RGB; a copy. */
export function imageAt({ width, height, channels, data }: ImageArray, index: number): RgbImage {
  const length = width * height * channels;
  const levels = data.subarray(index * length, (index + 1) * length);
  const rgb = new Uint8Array(width * height * 3);
  if (channels === 3) rgb.set(levels);
  else for (let i = 0; i < levels.length; i++) rgb.fill(levels[i]!, 3 * i, 3 * i + 3);
  return { data: rgb, width, height };
}

/** A data set of images in memory. */
export function inMemoryDataset(
  images: ImageArray,
  { labels, ...rest }: Pick<Dataset, 'name' | 'classNames' | 'describe'> & { readonly labels: Uint8Array },
): InMemoryDataset {
  return {
    ...rest,
    length: labels.length,
    labels: Int32Array.from(labels),
    images,
    read: async (index) => imageAt(images, index),
  };
}
