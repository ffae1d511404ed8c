import { Random } from '../../random.js';

/** Outputs discarded after keys were mixed in, so that near keys give unlike streams. */
const DISCARDED = 12;

/**
 * A generator for one purpose: its numbers depend on the seed and the keys (say epoch, place in the epoch, step) and
 * on nothing else, so that neither threads nor an interruption change what is drawn.
 *
 * @param keys integers 0 … 2³² − 1
 */
export function randomFor(seed: number, ...keys: number[]): Random {
  return keys.reduce((random, key) => {
    const [a, b, c] = [random.uint32(), random.uint32(), random.uint32()];
    const mixed = Random.fromState([a, (b ^ key) >>> 0, c, 1]);
    for (let i = 0; i < DISCARDED; i++) mixed.uint32();
    return mixed;
  }, Random.fromSeed(seed));
}

/** Uniform on [low, high). */
export function uniformBetween(random: Random, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

/** Uniform on the integers low … high, both included. */
export function integerBetween(random: Random, low: number, high: number): number {
  return low + random.integer(high - low + 1);
}
