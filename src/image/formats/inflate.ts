/**
 * zlib streams (RFC 1950, 1951) with what was there before an error: Pillow reads an image whose stream is damaged behind
 * its last row. The engines' own decompressors are faster and come first, but keep that back.
 */

/** Takes bytes, which are only lent; gives false when no more are wanted. */
export type Sink = (bytes: Uint8Array) => boolean;

/**
 * Inflates a zlib stream into `sink`, by the engine. Gives true if the stream was whole or the sink had enough; false if
 * something was wrong, after any number of bytes.
 */
export type Inflate = (stream: Uint8Array<ArrayBuffer>, sink: Sink) => Promise<boolean>;

/** How a stream ended: at its own end, where the sink had enough and more would have come, too early, or damaged. */
export type InflateEnd = 'end' | 'enough' | 'truncated' | 'broken';

export interface InflateResult {
  readonly end: InflateEnd;
  /** Bytes of the stream that were needed for all that came out. */
  readonly needed: number;
  /** Bytes of the stream that were read. */
  readonly read: number;
}

/** Codes of up to this many bits are found in one step. */
const FAST_BITS = 9;
const MAX_BITS = 15;

/** A canonical Huffman code: a table by the next FAST_BITS bits, and what canonical decoding needs for longer ones. */
interface Code {
  /** length << 12 | symbol, or 0 for longer codes. */
  readonly fast: Uint16Array;
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

/** Undefined if the lengths are no code. As zlib, a single distance code may leave half of the codes unused. */
function makeCode(lengths: Uint8Array, mayBeIncomplete: boolean): Code | undefined {
  const counts = new Uint16Array(MAX_BITS + 1);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  let left = 1;
  let longest = 0;
  for (let bits = 1; bits <= MAX_BITS; bits++) {
    left = left * 2 - counts[bits]!;
    if (left < 0) return undefined;
    if (counts[bits]! > 0) longest = bits;
  }
  if (left > 0 && longest > 0 && !(mayBeIncomplete && longest === 1)) return undefined;
  if (longest === 0 && !mayBeIncomplete) return undefined;
  const offsets = new Uint16Array(MAX_BITS + 2);
  for (let bits = 1; bits <= MAX_BITS; bits++) offsets[bits + 1] = offsets[bits]! + counts[bits]!;
  const symbols = new Uint16Array(lengths.length);
  const next = offsets.slice();
  for (const [symbol, length] of lengths.entries()) if (length > 0) symbols[next[length]!++] = symbol;
  return { fast: fastTable(counts, symbols), counts, symbols };
}

function fastTable(counts: Uint16Array, symbols: Uint16Array): Uint16Array {
  const fast = new Uint16Array(1 << FAST_BITS);
  let code = 0;
  let index = 0;
  for (let bits = 1; bits <= FAST_BITS; bits++, code *= 2) {
    for (let i = 0; i < counts[bits]!; i++, code++, index++) {
      for (let at = reversed(code, bits); at < fast.length; at += 1 << bits)
        fast[at] = (bits << 12) | symbols[index]!;
    }
  }
  return fast;
}

function reversed(code: number, bits: number): number {
  let out = 0;
  for (let i = 0; i < bits; i++) out |= ((code >> i) & 1) << (bits - 1 - i);
  return out;
}

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

function fixedCodes(): [Code, Code] {
  const lengths = new Uint8Array(288).fill(8);
  lengths.fill(9, 144, 256).fill(7, 256, 280);
  return [makeCode(lengths, false)!, makeCode(new Uint8Array(32).fill(5), false)!];
}

/** Thrown inside to leave all loops at once. */
class Stop {
  constructor(readonly end: InflateEnd) {}
}

/** Inflates a zlib stream into `sink`, up to where it ends, is damaged, or the sink has enough. */
export function inflateInto(stream: Uint8Array, sink: Sink): InflateResult {
  const inflater = new Inflater(stream, sink);
  try {
    inflater.run();
    return inflater.result('end');
  } catch (error) {
    if (error instanceof Stop) return inflater.result(error.end);
    throw error;
  }
}

/** The length of what a zlib stream holds, counted up to `limit` + 1. */
export function inflatedLength(stream: Uint8Array, limit: number): number {
  let length = 0;
  inflateInto(stream, (bytes) => {
    length += bytes.length;
    return length <= limit;
  });
  return Math.min(length, limit + 1);
}

/** How far back a copy may reach. */
const WINDOW = 2 ** 15;

class Inflater {
  /** A window of the past and as much again of what the sink has not had yet. */
  private readonly out = new Uint8Array(3 * WINDOW);
  private length = 0;
  private given = 0;
  private total = 0;
  private enough = false;
  private needed = 0;
  private readonly adler = new Adler();
  private at = 0;
  private bits = 0;
  private held = 0;

  constructor(
    private readonly stream: Uint8Array,
    private readonly sink: Sink,
  ) {}

  run(): void {
    try {
      this.inflate();
    } finally {
      this.flush();
    }
  }

  private inflate(): void {
    const [method, flags] = [this.take(8), this.take(8)];
    if ((method * 256 + flags) % 31 !== 0 || (method & 15) !== 8 || method >> 4 > 7 || flags & 32)
      this.stop('broken');
    for (let last = 0; last === 0; ) {
      last = this.take(1);
      const kind = this.take(2);
      if (kind === 0) this.stored();
      else if (kind === 1) this.block(...fixedCodes());
      else if (kind === 2) this.block(...this.readCodes());
      else this.stop('broken');
    }
    this.take(this.held & 7);
    let expected = 0;
    for (let i = 0; i < 4; i++) expected = expected * 256 + this.take(8);
    this.flush();
    if (expected !== this.adler.value()) this.stop('broken');
  }

  /** Hands over what is new, and keeps the window. */
  private flush(): void {
    const fresh = this.out.subarray(this.given, this.length);
    if (fresh.length > 0 && !this.enough) {
      this.adler.add(fresh);
      this.enough = !this.sink(fresh);
    }
    const kept = Math.min(this.length, WINDOW);
    this.out.copyWithin(0, this.length - kept, this.length);
    this.given = this.length = kept;
  }

  result(end: InflateEnd): InflateResult {
    return { end, needed: this.needed, read: this.position() };
  }

  /** Bytes of the stream that are used up, without those read ahead. */
  private position(): number {
    return this.at - (this.held >> 3);
  }

  private stop(end: InflateEnd): never {
    throw new Stop(end);
  }

  /** The next `count` bits, at most 16. */
  private take(count: number): number {
    while (this.held < count) {
      if (this.at >= this.stream.length) this.stop('truncated');
      this.bits |= this.stream[this.at++]! << this.held;
      this.held += 8;
    }
    const value = this.bits & ((1 << count) - 1);
    this.bits >>>= count;
    this.held -= count;
    return value;
  }

  private put(byte: number): void {
    if (this.length === this.out.length) this.flush();
    if (this.enough) this.stop('enough');
    this.out[this.length++] = byte;
    this.total++;
  }

  private stored(): void {
    this.take(this.held & 7);
    const size = this.take(16);
    if ((this.take(16) ^ size) !== 0xffff) this.stop('broken');
    for (let i = 0; i < size; i++) this.put(this.take(8));
    if (size > 0) this.needed = this.position();
  }

  private symbol({ fast, counts, symbols }: Code): number {
    while (this.held < FAST_BITS && this.at < this.stream.length) {
      this.bits |= this.stream[this.at++]! << this.held;
      this.held += 8;
    }
    const found = fast[this.bits & ((1 << FAST_BITS) - 1)]!;
    const length = found >> 12;
    if (found !== 0 && length <= this.held) {
      this.bits >>>= length;
      this.held -= length;
      return found & 0xfff;
    }
    let code = 0;
    let first = 0;
    let index = 0;
    for (let bits = 1; bits <= MAX_BITS; bits++) {
      code |= this.take(1);
      const count = counts[bits]!;
      if (code - count < first) return symbols[index + (code - first)]!;
      index += count;
      first = (first + count) * 2;
      code *= 2;
    }
    return this.stop('broken');
  }

  private readCodes(): [Code, Code] {
    const literals = this.take(5) + 257;
    const distances = this.take(5) + 1;
    const ordered = this.take(4) + 4;
    if (literals > 286 || distances > 30) this.stop('broken');
    const lengths = new Uint8Array(320);
    for (let i = 0; i < ordered; i++) lengths[ORDER[i]!] = this.take(3);
    const code = makeCode(lengths.slice(0, 19), false) ?? this.stop('broken');
    const total = literals + distances;
    lengths.fill(0);
    for (let i = 0; i < total; ) {
      const symbol = this.symbol(code);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) this.stop('broken');
      const value = symbol === 16 ? lengths[i - 1]! : 0;
      const times = symbol === 16 ? 3 + this.take(2) : symbol === 17 ? 3 + this.take(3) : 11 + this.take(7);
      if (i + times > total) this.stop('broken');
      lengths.fill(value, i, i + times);
      i += times;
    }
    if (lengths[256] === 0) this.stop('broken');
    return [
      makeCode(lengths.slice(0, literals), true) ?? this.stop('broken'),
      makeCode(lengths.slice(literals, total), true) ?? this.stop('broken'),
    ];
  }

  private block(literals: Code, distances: Code): void {
    for (;;) {
      const before = this.position();
      const symbol = this.symbol(literals);
      if (symbol < 256) {
        this.put(symbol);
        continue;
      }
      if (symbol === 256) {
        this.needed = before;
        return;
      }
      if (symbol > 285) this.stop('broken');
      const length = LENGTH_BASE[symbol - 257]! + this.take(LENGTH_BITS[symbol - 257]!);
      const place = this.symbol(distances);
      if (place > 29) this.stop('broken');
      const distance = DISTANCE_BASE[place]! + this.take(DISTANCE_BITS[place]!);
      if (distance > this.total) this.stop('broken');
      for (let i = 0; i < length; i++) this.put(this.out[this.length - distance]!);
    }
  }
}

/** The checksum behind a zlib stream. */
class Adler {
  private low = 1;
  private high = 0;

  add(bytes: Uint8Array): void {
    let { low, high } = this;
    for (let i = 0; i < bytes.length; ) {
      // The most bytes after which the sums still fit in 32 bits.
      for (const end = Math.min(bytes.length, i + 3800); i < end; i++) {
        low += bytes[i]!;
        high += low;
      }
      low %= 65521;
      high %= 65521;
    }
    this.low = low;
    this.high = high;
  }

  value(): number {
    return this.high * 65536 + this.low;
  }
}
