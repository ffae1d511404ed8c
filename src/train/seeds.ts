import { randomFor } from '../data/augment/seeds.js';

/** What random choices of the trainer are for; each has numbers of its own, so that one more here shifts none there. */
export const STREAMS = { mix: 0x6d6978, dropPath: 0x64726f70 } as const;

/**
 * A seed for one choice: it depends on the run's seed and the keys (say purpose, epoch, batch) alone, so that there is no
 * generator whose state is to be stored.
 *
 * @returns a whole number from 1 to 2³² − 1; tfjs takes 0 for no seed
 */
export function seedFrom(seed: number, ...keys: readonly number[]): number {
  return randomFor(seed, ...keys).uint32() || 1;
}
