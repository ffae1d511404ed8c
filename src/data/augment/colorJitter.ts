import type { RgbImage } from '../../image/types.js';
import type { Random } from '../../random.js';
import { brightness, color, contrast } from './enhance.js';
import { uniformBetween } from './seeds.js';

/**
 * torchvision's ColorJitter(strength, strength, strength): brightness, contrast and saturation, each by a factor within
 * 1 ± strength (at least 0), in random order.
 */
export function colorJitter(image: RgbImage, strength: number, random: Random): RgbImage {
  const order = shuffled([brightness, contrast, color], random);
  const low = Math.max(0, 1 - strength);
  return order.reduce(
    (jittered, change) => change(jittered, uniformBetween(random, low, 1 + strength)),
    image,
  );
}

/** A random order of the values (Fisher–Yates). */
function shuffled<T>(values: readonly T[], random: Random): T[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
