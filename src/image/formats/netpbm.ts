/** PBM, PGM, PPM and PFM, in text and in bytes, as Pillow's PpmImagePlugin reads them. */

import type { RgbImage } from '../types.js';
import { type CheckSize, DamagedImage } from './damaged.js';
import { clipped } from './expand.js';
import { rgbFromGreyFloat } from './samples.js';

/** Longest number in the header or in the pixels of a text file, in characters. */
const LONGEST_TOKEN = 10;

const isSpace = (byte: number) => byte === 32 || (byte >= 9 && byte <= 13);
const isLineEnd = (byte: number) => byte === 10 || byte === 13;

/** The numbers at the front of the file. */
class Header {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
  ) {}

  token(): string {
    let token = '';
    while (this.at < this.bytes.length && token.length <= LONGEST_TOKEN) {
      const byte = this.bytes[this.at++]!;
      if (isSpace(byte)) {
        if (token !== '') break;
      } else if (byte === 35) {
        while (this.at < this.bytes.length && !isLineEnd(this.bytes[this.at++]!));
      } else {
        token += String.fromCharCode(byte);
      }
    }
    if (token === '') throw new DamagedImage('the file ends within its header');
    if (token.length > LONGEST_TOKEN) throw new DamagedImage('a number in the header is too long');
    return token;
  }

  whole(): number {
    const token = this.token();
    if (/^\+?\d+$/.test(token)) return Number(token);
    throw new DamagedImage(`the header has ${JSON.stringify(token)} where a whole number is expected`);
  }
}

export function decodeNetpbm(bytes: Uint8Array, checkSize: CheckSize): RgbImage {
  const kind = String.fromCharCode(bytes[1]!);
  if (!isSpace(bytes[2] ?? 0)) throw new DamagedImage('not a PBM, PGM, PPM or PFM file');
  const header = new Header(bytes, 3);
  const [width, height] = [header.whole(), header.whole()];
  if (width === 0 || height === 0) throw new DamagedImage(`the header gives ${width} × ${height} pixels`);
  checkSize(width, height);
  const size = { width, height };
  switch (kind) {
    case '1':
      return { data: plainBits(bytes, header.at, size), ...size };
    case '4':
      return { data: packedBits(bytes, header.at, size), ...size };
    case 'f':
      return { data: floats(bytes, header, size), ...size };
    default: {
      const most = header.whole();
      if (most < 1 || most > 65_535)
        throw new DamagedImage(`the largest level is ${most}; expected 1 to 65535`);
      const channels = kind === '3' || kind === '6' ? 3 : 1;
      const count = width * height * channels;
      const levels =
        kind <= '3'
          ? plainLevels(bytes, header.at, count, most)
          : packedLevels(bytes, header.at, count, most);
      return { data: toRgb(levels, channels, most), ...size };
    }
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

const early = () => new DamagedImage('the file has fewer pixels than its header says');

/** Grey above 8 bits is scaled to 65535 and clipped at 255, as Pillow's mode I is; all else is scaled to 255. */
function toRgb(levels: Uint8Array | Uint16Array, channels: number, most: number): Uint8Array {
  const deep = channels === 1 && most > 255;
  const table = Uint8Array.from({ length: 65_536 }, (_, level) =>
    deep ? clipped(halfToEven((level / most) * 65_535)) : Math.min(255, halfToEven((level / most) * 255)),
  );
  const data = new Uint8Array((levels.length / channels) * 3);
  if (channels === 3) {
    for (let i = 0; i < levels.length; i++) data[i] = table[levels[i]!]!;
  } else {
    for (let i = 0; i < levels.length; i++) data.fill(table[levels[i]!]!, 3 * i, 3 * i + 3);
  }
  return data;
}

/** Python's `round`. */
function halfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Of one byte the levels stay where they are; of two they are copied, as they may lie at an odd place. */
function packedLevels(bytes: Uint8Array, at: number, count: number, most: number): Uint8Array | Uint16Array {
  const wide = most > 255;
  if (at + count * (wide ? 2 : 1) > bytes.length) throw early();
  if (!wide) return bytes.subarray(at, at + count);
  return Uint16Array.from({ length: count }, (_, i) => bytes[at + 2 * i]! * 256 + bytes[at + 2 * i + 1]!);
}

/** Numbers in decimal digits between spaces and comments. */
function plainLevels(bytes: Uint8Array, start: number, count: number, most: number): Uint16Array {
  const levels = new Uint16Array(count);
  let found = 0;
  for (let at = start; found < count; ) {
    at = skipComments(bytes, at);
    if (at >= bytes.length) throw early();
    let value = 0;
    let digits = 0;
    for (; at < bytes.length && !isSpace(bytes[at]!); at++) {
      if (bytes[at] === 35) {
        at = skipComment(bytes, at) - 1;
        continue;
      }
      const digit = bytes[at]! - 48;
      if (digit < 0 || digit > 9 || ++digits > LONGEST_TOKEN) throw new DamagedImage('a level is no number');
      value = value * 10 + digit;
    }
    if (digits === 0) continue;
    if (value > most) throw new DamagedImage(`a level is ${value}, above the largest, ${most}`);
    levels[found++] = value;
  }
  return levels;
}

function skipComment(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end < bytes.length && !isLineEnd(bytes[end]!)) end++;
  return end + 1;
}

function skipComments(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && (isSpace(bytes[at]!) || bytes[at] === 35)) {
    at = bytes[at] === 35 ? skipComment(bytes, at) : at + 1;
  }
  return at;
}

/** 1 is black. */
function plainBits(bytes: Uint8Array, start: number, { width, height }: Size): Uint8Array {
  const data = new Uint8Array(width * height * 3);
  let at = start;
  for (let i = 0; i < width * height; i++) {
    at = skipComments(bytes, at);
    if (at >= bytes.length) throw early();
    const digit = bytes[at++];
    if (digit !== 48 && digit !== 49) throw new DamagedImage('a pixel is neither 0 nor 1');
    data.fill(digit === 48 ? 255 : 0, 3 * i, 3 * i + 3);
  }
  return data;
}

function packedBits(bytes: Uint8Array, at: number, { width, height }: Size): Uint8Array {
  const rowBytes = Math.ceil(width / 8);
  if (at + rowBytes * height > bytes.length) throw early();
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const bit = (bytes[at + y * rowBytes + (x >> 3)]! >> (7 - (x & 7))) & 1;
      data.fill(bit === 0 ? 255 : 0, 3 * i, 3 * i + 3);
    }
  }
  return data;
}

/** PFM: rows from the bottom up, little-endian if the scale is below 0, of which Pillow uses the sign alone. */
function floats(bytes: Uint8Array, header: Header, { width, height }: Size): Uint8Array {
  const scale = Number(header.token());
  if (scale === 0 || !Number.isFinite(scale))
    throw new DamagedImage('the scale is no finite number other than 0');
  if (header.at + width * height * 4 > bytes.length) throw early();
  const view = new DataView(bytes.buffer, bytes.byteOffset + header.at, width * height * 4);
  const rows = Float32Array.from({ length: width * height }, (_, i) => {
    const y = height - 1 - Math.floor(i / width);
    return view.getFloat32((y * width + (i % width)) * 4, scale < 0);
  });
  return rgbFromGreyFloat(rows);
}
