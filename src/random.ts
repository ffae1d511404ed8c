/** The Ziggurat (Marsaglia and Tsang 2000, doi 10.18637/jss.v005.i08): half the normal curve in strips of equal area. */
const STRIPS = 128;
/** Where the lowest strip's tail begins, and the area of each strip. */
const TAIL = 3.442619855899;
const AREA = 9.91256303526217e-3;

const density = (x: number) => Math.exp(-0.5 * x * x);

/** Right edges of the strips, from the lowest; the lowest is as wide as a rectangle of its area would be. */
const EDGES = stripEdges();
/** How much of each strip lies below the curve over its whole height. */
const RATIOS = EDGES.slice(0, STRIPS).map((edge, i) => EDGES[i + 1]! / edge);

/** The curve's height at each edge. */
const HEIGHTS = EDGES.map(density);

/** On (−1, 1), of the 25 bits that choose no strip; with a half added, so that no sign is likelier. */
const signed = (bits: number) => ((bits >>> 7) + 0.5) * 2 ** -24 - 1;

function stripEdges(): Float64Array {
  const edges = new Float64Array(STRIPS + 1);
  edges[0] = AREA / density(TAIL);
  edges[1] = TAIL;
  for (let i = 2; i < STRIPS; i++) {
    const x = edges[i - 1]!;
    edges[i] = Math.sqrt(-2 * Math.log(AREA / x + density(x)));
  }
  return edges;
}

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
  get state(): [number, number, number, number] {
    const [a = 0, b = 0, c = 0, d = 0] = this.words;
    return [a, b, c, d];
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

  /** Standard normal. */
  normal(): number {
    const bits = this.uint32() | 0;
    return this.inStrip(bits & (STRIPS - 1), signed(bits));
  }

  /** Normal values with a standard deviation: those that so many calls of normal() would give, in less time. */
  fillNormal(values: Float32Array | Float64Array, deviation: number): void {
    // The state in local variables: this loop takes a third of the time that calls of uint32() take.
    const { words } = this;
    let a = words[0]! | 0;
    let b = words[1]! | 0;
    let c = words[2]! | 0;
    let d = words[3]! | 0;
    for (let i = 0; i < values.length; i++) {
      const bits = (a + b + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + bits) | 0;
      const strip = bits & (STRIPS - 1);
      const value = signed(bits);
      if (Math.abs(value) < RATIOS[strip]!) {
        values[i] = deviation * value * EDGES[strip]!;
        continue;
      }
      words[0] = a;
      words[1] = b;
      words[2] = c;
      words[3] = d;
      values[i] = deviation * this.inStrip(strip, value);
      a = words[0] | 0;
      b = words[1] | 0;
      c = words[2] | 0;
      d = words[3] | 0;
    }
    words.set([a, b, c, d]);
  }

  /** The value of a strip, where the curve crosses it by rejection: from there on of any strip. */
  private inStrip(strip: number, value: number): number {
    for (;;) {
      const x = value * EDGES[strip]!;
      if (Math.abs(value) < RATIOS[strip]!) return x;
      if (strip === 0) return value < 0 ? -this.tail() : this.tail();
      const outer = HEIGHTS[strip]!;
      if (outer + this.uniform() * (HEIGHTS[strip + 1]! - outer) < density(x)) return x;
      const bits = this.uint32() | 0;
      strip = bits & (STRIPS - 1);
      value = signed(bits);
    }
  }

  /** A normal value beyond TAIL (Marsaglia 1964). */
  private tail(): number {
    for (;;) {
      const x = -Math.log(1 - this.uniform()) / TAIL;
      if (-2 * Math.log(1 - this.uniform()) > x * x) return TAIL + x;
    }
  }
}
