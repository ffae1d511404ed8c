import { randomFor } from './seeds.js';

/** The stream of an epoch's order; images have streams of three keys. */
const ORDER = 0;

/**
 * The images of an epoch in training order: place → image. Every epoch has as many places as there are images. With
 * repeats (repeated augmentation, arXiv 1901.09335, as facebookresearch/deit's RASampler has it) each image that comes
 * comes that often one after another, and an epoch has a random part of the images.
 */
export function epochOrder(length: number, repeats: number, seed: number, epoch: number): Int32Array {
  const random = randomFor(seed, epoch, ORDER);
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return repeats > 1 ? Int32Array.from(order, (_, place) => order[Math.floor(place / repeats)]!) : order;
}
