import { checkArguments } from '../checkArguments.js';
import type { ImagePrediction } from './prediction.js';

/** Accuracy over the images that were classified; null where there are none. */
export interface Accuracy {
  /** Number of images that were classified. */
  images: number;
  /** Percent of them whose most probable class is the truth. */
  top1: number | null;
  /** Percent of them with the truth among the five most probable classes. */
  top5: number | null;
  /** Mean cross-entropy in nats. */
  loss: number | null;
}

/**
 * Counts how many images were classified correctly. Images may come in any order and the sums are still the same to the
 * last digit: they are taken in the data set's order.
 */
export class Metrics {
  private readonly losses: Float64Array;
  /** 0: not counted; 1: wrong; 2: among the five; 3: first. */
  private readonly ranks: Uint8Array;

  constructor(count: number) {
    checkArguments('Metrics', { count: ['count', count] });
    this.losses = new Float64Array(count);
    this.ranks = new Uint8Array(count);
  }

  has(index: number): boolean {
    return this.ranks[index] !== 0;
  }

  /** Counts an image, once: the first one stays. */
  add(index: number, { label, top5, loss }: ImagePrediction): void {
    if (this.has(index)) return;
    this.ranks[index] = top5[0] === label ? 3 : top5.includes(label) ? 2 : 1;
    this.losses[index] = loss;
  }

  accuracy(): Accuracy {
    let images = 0;
    let correct1 = 0;
    let correct5 = 0;
    let lossSum = 0;
    for (const [index, rank] of this.ranks.entries()) {
      if (rank === 0) continue;
      images++;
      if (rank === 3) correct1++;
      if (rank >= 2) correct5++;
      lossSum += this.losses[index]!;
    }
    const mean = (sum: number) => (images > 0 ? sum / images : null);
    return { images, top1: mean(100 * correct1), top5: mean(100 * correct5), loss: mean(lossSum) };
  }
}
