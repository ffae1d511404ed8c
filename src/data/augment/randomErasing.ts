import { roundHalfToEven } from '../../image/crop.js';
import type { Random } from '../../random.js';
import { integerBetween, uniformBetween } from './seeds.js';

/** Range of the erased part of the image's area, and of its height / width (timm's defaults, arXiv 1708.04896). */
const AREA = [0.02, 1 / 3] as const;
const LOG_ASPECT = [Math.log(0.3), Math.log(1 / 0.3)] as const;

/** How often a rectangle is drawn that fits. */
const ATTEMPTS = 10;

/**
 * timm's RandomErasing in mode `pixel`: with probability `prob`, a rectangle is overwritten with normal noise, each
 * channel of each pixel its own. Changes `pixels` in place.
 *
 * @param pixels normalised [height, width, 3]
 */
export function randomErasing(
  pixels: Float32Array,
  [height, width]: readonly [number, number],
  prob: number,
  random: Random,
): void {
  if (random.uniform() > prob) return;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = uniformBetween(random, ...AREA) * (height * width);
    const aspect = Math.exp(uniformBetween(random, ...LOG_ASPECT));
    const h = roundHalfToEven(Math.sqrt(area * aspect));
    const w = roundHalfToEven(Math.sqrt(area / aspect));
    if (w >= width || h >= height) continue;
    const top = integerBetween(random, 0, height - h);
    const left = integerBetween(random, 0, width - w);
    for (let channel = 0; channel < 3; channel++) {
      for (let y = top; y < top + h; y++) {
        for (let x = left; x < left + w; x++) pixels[(y * width + x) * 3 + channel] = random.normal();
      }
    }
    return;
  }
}
