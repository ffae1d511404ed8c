/**
 * A small seeded random number generator, sfc32 (Chris Doty-Humphrey's Small Fast Counter, as in PractRand): the
 * same numbers on every platform, and a state that can be stored.
 */
export class Random {
  private constructor(private readonly words: Uint32Array) {}

  static fromSeed(seed: number): Random {
    const random = new Random(Uint32Array.of(seed, Math.floor(seed / 2 ** 32), 0x9e3779b9, 1));
    // The first outputs of near seeds are alike; the reference implementation discards a dozen.
    for (let i = 0; i < 12; i++) random.uint32();
    return random;
  }

  /** A generator that goes on where the one that gave `state` stood. */
  static fromState(state: readonly [number, number, number, number]): Random {
    return new Random(Uint32Array.from(state));
  }

  /** Four unsigned 32-bit integers: all there is to store. */
  get state(): number[] {
    return [...this.words];
  }

  /** Uniform on the integers 0 … 2³² − 1. */
  uint32(): number {
    const w = this.words;
    const result = (w[0]! + w[1]! + w[3]!) >>> 0;
    w[3]! += 1;
    w[0] = w[1]! ^ (w[1]! >>> 9);
    w[1] = w[2]! + (w[2]! << 3);
    w[2] = ((w[2]! << 21) | (w[2]! >>> 11)) + result;
    return result;
  }

  /** Uniform on [0, 1), with 32 bits. */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  /** Uniform on the integers 0 … bound − 1. */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Standard normal (Box–Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}
