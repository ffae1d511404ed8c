/** Data sets: images by index, with the class of each. */
import type { RgbImage } from '../image/types.js';

/** Images, read one by one. */
export interface ImageSource {
  /** Folder or file, for messages. */
  readonly name: string;
  readonly length: number;
  /** What an image is called in messages: its path, or its place in a file. */
  describe(index: number): string;
  /** @throws UserError that names the image if it cannot be read */
  read(index: number): Promise<RgbImage>;
}

/** Images with the class of each. */
export interface Dataset extends ImageSource {
  /** Name of each class. */
  readonly classNames: readonly string[];
  /** [length] class indices. */
  readonly labels: Int32Array;
}

/** The first `limit` images of a data set; all of them for null. */
export function limited<Set extends Dataset>(dataset: Set, limit: number | null): Set {
  if (limit === null || limit >= dataset.length) return dataset;
  return { ...dataset, length: limit, labels: dataset.labels.slice(0, limit) };
}
