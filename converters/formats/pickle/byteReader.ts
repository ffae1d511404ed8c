import { MAX_LONG_BYTES } from '../limits.js';
import { PickleCut, PickleProblem } from './problem.js';

const LINE_FEED = 10;
/** Engines keep longer sums of strings as trees, which cost more than a decoded string does. */
const SHORT = 12;
/** Names are shorter; longer texts with lone surrogates keep their U+FFFD. */
const MAX_SURROGATE_TEXT = 1024;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const utf16 = new TextDecoder('utf-16le', { ignoreBOM: true });

/** Reads a pickle's bytes in order. Every length is checked before anything is done with it. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  position: number;

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
  }

  /** Moves on by `length` bytes and gives the place where they start. */
  skip(length: number): number {
    const start = this.position;
    if (length > this.#bytes.byteLength - start) throw new PickleCut('the pickle is cut short');
    this.position = start + length;
    return start;
  }

  uint8(): number {
    return this.#view.getUint8(this.skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  /** An 8-byte length. */
  length64(): number {
    const start = this.skip(8);
    const length = this.#view.getUint32(start, true) + this.#view.getUint32(start + 4, true) * 2 ** 32;
    if (!Number.isSafeInteger(length))
      throw new PickleProblem('a length of more than 2^53 bytes is declared');
    return length;
  }

  /** Pickles hold doubles in big-endian order. */
  float64(): number {
    return this.#view.getFloat64(this.skip(8), false);
  }

  /** A copy, so that the pickle's buffer need not live as long as its values. */
  bytes(length: number): Uint8Array {
    const start = this.skip(length);
    return this.#bytes.slice(start, start + length);
  }

  utf8(length: number): string {
    const start = this.skip(length);
    return this.#shortAscii(start, length) ?? decodeUtf8(this.#bytes.subarray(start, start + length));
  }

  /** Text up to the next line feed, which is passed over. Bytes are taken as Latin-1, as Python does. */
  line(): string {
    const end = this.#bytes.indexOf(LINE_FEED, this.position);
    if (end === -1) throw new PickleCut('the pickle is cut short');
    const start = this.skip(end + 1 - this.position);
    return this.#shortAscii(start, end - start) ?? latin1(this.#bytes.subarray(start, end));
  }

  /** A little-endian two's complement whole number of any length. */
  long(length: number): number | bigint {
    if (length > MAX_LONG_BYTES) {
      throw new PickleProblem(
        `a whole number of ${length} bytes is declared; at most ${MAX_LONG_BYTES} are read`,
      );
    }
    const start = this.skip(length);
    if (length <= 6) return this.#shortLong(start, length);
    let value = 0n;
    let i = length;
    for (; i >= 8; i -= 8) value = (value << 64n) | this.#view.getBigUint64(start + i - 8, true);
    for (; i > 0; i--) value = (value << 8n) | BigInt(this.#bytes[start + i - 1]!);
    return plainInteger(BigInt.asIntN(8 * length, value));
  }

  /** Exact in a double. */
  #shortLong(start: number, length: number): number {
    let value = 0;
    for (let i = start + length - 1; i >= start; i--) value = value * 256 + this.#bytes[i]!;
    const isNegative = length > 0 && this.#bytes[start + length - 1]! >= 128;
    return isNegative ? value - 2 ** (8 * length) : value;
  }

  /** Nearly all strings of a checkpoint are short ASCII, for which the decoder is slow. */
  #shortAscii(start: number, length: number): string | undefined {
    if (length > SHORT) return undefined;
    let text = '';
    for (let i = start; i < start + length; i++) {
      const code = this.#bytes[i]!;
      if (code > 127) return undefined;
      text += String.fromCharCode(code);
    }
    return text;
  }
}

/** A number where it is exact, else a bigint. */
export function plainInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * UTF-8 with Python's `surrogatepass`, by which lone surrogates are three bytes each, as TextDecoder does not read
 * them: two names that differ there stay two names. Bytes that are neither give U+FFFD.
 */
function decodeUtf8(bytes: Uint8Array): string {
  const text = utf8.decode(bytes);
  if (bytes.length > MAX_SURROGATE_TEXT || !text.includes('\ufffd')) return text;
  return decodeSurrogates(bytes) ?? text;
}

/** Undefined if the bytes are no such text. */
function decodeSurrogates(bytes: Uint8Array): string | undefined {
  const points: number[] = [];
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i]!;
    const length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    let point = length === 1 ? lead : lead & (0x7f >> length);
    for (let k = 1; k < length; k++) {
      const next = bytes[i + k] ?? 0;
      if ((next & 0xc0) !== 0x80) return undefined;
      point = (point << 6) | (next & 0x3f);
    }
    if (length === 0 || point > 0x10ffff) return undefined;
    points.push(point);
    i += length;
  }
  return String.fromCodePoint(...points);
}

function latin1(bytes: Uint8Array): string {
  return isAscii(bytes) ? utf8.decode(bytes) : utf16.decode(Uint16Array.from(bytes));
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 127) return false;
  return true;
}
