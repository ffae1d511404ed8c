/**
 * Classification by the nearest training images in the space of a backbone's features: the protocol of DINO
 * (arXiv 2104.14294, section 4.1; facebookresearch/dino, eval_knn.py).
 */
import type { Accuracy } from './metrics.js';

/** Features of labelled images. */
export interface LabelledFeatures {
  /** float32 [labels.length, width]. */
  readonly values: Float32Array;
  readonly width: number;
  /** Class index of each. */
  readonly labels: readonly number[];
}

export interface KnnOptions {
  /** How many neighbours vote. */
  readonly k: number;
  /** A neighbour's vote counts exp(similarity / temperature). */
  readonly temperature: number;
  readonly numClasses: number;
  /** a · bᵀ of float32 [m, width] and [n, width]: float32 [m, n]. */
  readonly products: Products;
  /** Called with the fraction that is done, 0…1. */
  readonly onProgress?: (fraction: number) => void;
}

export type Products = (a: Float32Array, b: Float32Array, width: number) => Promise<Float32Array>;

/** Each row divided by its Euclidean norm, as torch.nn.functional.normalize(dim=1) does it. */
function normalizeRows(values: Float32Array, width: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += width) {
    let sum = 0;
    for (let i = start; i < start + width; i++) sum += values[i]! ** 2;
    const norm = Math.max(Math.sqrt(sum), 1e-12);
    for (let i = start; i < start + width; i++) out[i] = values[i]! / norm;
  }
  return out;
}

/** Of each of `count` images the k most similar ones seen so far, most similar first; ties go to the first seen. */
class Neighbors {
  readonly similarities: Float32Array;
  readonly indices: Int32Array;

  constructor(
    count: number,
    readonly k: number,
  ) {
    this.similarities = new Float32Array(count * k).fill(Number.NEGATIVE_INFINITY);
    this.indices = new Int32Array(count * k).fill(-1);
  }

  /** Looks at `similarities` [rows, columns] of images from `firstRow` on and candidates from `firstIndex` on. */
  add(similarities: Float32Array, columns: number, firstRow: number, firstIndex: number): void {
    const { k } = this;
    for (let row = 0; row * columns < similarities.length; row++) {
      const start = (firstRow + row) * k;
      for (let column = 0; column < columns; column++) {
        const similarity = similarities[row * columns + column]!;
        if (similarity > this.similarities[start + k - 1]!)
          this.insert(start, similarity, firstIndex + column);
      }
    }
  }

  private insert(start: number, similarity: number, index: number): void {
    const { similarities, indices } = this;
    let place = start + this.k - 1;
    for (; place > start && similarity > similarities[place - 1]!; place--) {
      similarities[place] = similarities[place - 1]!;
      indices[place] = indices[place - 1]!;
    }
    similarities[place] = similarity;
    indices[place] = index;
  }
}

/** Images whose similarities are computed at once: of these and of those of the training set. */
const ROWS = 256;
const COLUMNS = 4096;

/**
 * The votes for each class, [images, classes]: of an image's k nearest training images by cosine similarity, each gives
 * its class exp(similarity / temperature).
 */
export async function knnVotes(
  train: LabelledFeatures,
  { values, width }: Pick<LabelledFeatures, 'values' | 'width'>,
  { k: asked, temperature, numClasses, products, onProgress }: KnnOptions,
): Promise<Float64Array> {
  const count = values.length / width;
  const k = Math.min(asked, train.labels.length);
  const neighbors = new Neighbors(count, k);
  const [rows, columns] = [normalizeRows(values, width), normalizeRows(train.values, width)];
  for (let column = 0; column < train.labels.length; column += COLUMNS) {
    const b = columns.subarray(column * width, (column + COLUMNS) * width);
    for (let row = 0; row < count; row += ROWS) {
      const a = rows.subarray(row * width, (row + ROWS) * width);
      neighbors.add(await products(a, b, width), b.length / width, row, column);
    }
    onProgress?.(Math.min(1, (column + COLUMNS) / train.labels.length));
  }
  const votes = new Float64Array(count * numClasses);
  for (const [place, index] of neighbors.indices.entries()) {
    const label = train.labels[index]!;
    const row = Math.floor(place / k);
    votes[row * numClasses + label]! += Math.exp(neighbors.similarities[place]! / temperature);
  }
  return votes;
}

/**
 * Accuracy in percent of what votes [images, classes] say. A class for which no neighbour voted is never among the five;
 * of classes with equal votes the one with the lower index comes first. There is no loss.
 */
export function accuracyOf(votes: Float64Array, labels: readonly number[], numClasses: number): Accuracy {
  let [correct1, correct5] = [0, 0];
  for (const [row, label] of labels.entries()) {
    const own = votes.subarray(row * numClasses, (row + 1) * numClasses);
    const mine = own[label]!;
    if (mine === 0) continue;
    const before = own.reduce(
      (sum, vote, i) => sum + (vote > mine || (vote === mine && i < label) ? 1 : 0),
      0,
    );
    if (before < 1) correct1++;
    if (before < 5) correct5++;
  }
  const images = labels.length;
  const percent = (count: number) => (images > 0 ? (100 * count) / images : null);
  return { images, top1: percent(correct1), top5: percent(correct5), loss: null };
}
