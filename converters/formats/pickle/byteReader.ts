import { MAX_LONG_BYTES } from '../limits.js';
import { PickleCut, PickleProblem } from './problem.js';

const LINE_FEED = 10;
const HEX_PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

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
    return this.#shortAscii(start, length) ?? utf8.decode(this.#bytes.subarray(start, start + length));
  }

  /** Text up to the next line feed, which is passed over. Bytes are taken as Latin-1, as Python does. */
  line(): string {
    const end = this.#bytes.indexOf(LINE_FEED, this.position);
    if (end === -1) throw new PickleCut('the pickle is cut short');
    const start = this.skip(end + 1 - this.position);
    return latin1(this.#bytes.subarray(start, end));
  }

  /** A little-endian two's complement whole number of any length. */
  long(length: number): number | bigint {
    if (length > MAX_LONG_BYTES) {
      throw new PickleProblem(
        `a whole number of ${length} bytes is declared; at most ${MAX_LONG_BYTES} are read`,
      );
    }
    const start = this.skip(length);
    if (length === 0) return 0;
    // By way of text: shifting a bigint byte by byte would take quadratic time.
    let hex = '0x';
    for (let i = start + length - 1; i >= start; i--) hex += HEX_PAIRS[this.#bytes[i]!];
    return plainInteger(BigInt.asIntN(8 * length, BigInt(hex)));
  }

  /** The decoder costs far more than a short string does; nearly all strings of a checkpoint are short ASCII. */
  #shortAscii(start: number, length: number): string | undefined {
    if (length > 64) return undefined;
    const end = start + length;
    for (let i = start; i < end; i++) if (this.#bytes[i]! > 127) return undefined;
    // At once: text put together by + keeps every piece.
    return String.fromCharCode(...this.#bytes.subarray(start, end));
  }
}

/** A number where it is exact, else a bigint. */
export function plainInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function latin1(bytes: Uint8Array): string {
  const PIECE = 8192;
  let text = '';
  for (let i = 0; i < bytes.length; i += PIECE) text += String.fromCharCode(...bytes.subarray(i, i + PIECE));
  return text;
}
