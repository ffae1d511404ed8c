/** Windows and OS/2 bitmaps, as Pillow's BmpImagePlugin reads them: of 32 bits the fourth is no alpha. */
import type { RgbImage } from '../types.js';
import { type CheckSize, DamagedImage, requireBytes } from './damaged.js';
import { greyRamp, paletteOf, rgbOfIndices, unpackBits } from './expand.js';

const RAW = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;

/** Length of the file header, behind which the image's begins. */
const FILE_HEADER = 14;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  readonly compression: number;
  readonly colors: number;
  /** Bytes of a palette's entry. */
  readonly entry: number;
  /** Red, green, blue and alpha, with `compression` BITFIELDS. */
  readonly masks: readonly number[];
  /** Where the palette begins. */
  readonly end: number;
}

function readHeader(bytes: Uint8Array, view: DataView): Header {
  requireBytes(bytes, FILE_HEADER, 4, 'the header of the BMP');
  const size = view.getUint32(FILE_HEADER, true);
  requireBytes(bytes, FILE_HEADER, size, 'the header of the BMP');
  const u16 = (at: number) => view.getUint16(FILE_HEADER + at, true);
  const u32 = (at: number) => view.getUint32(FILE_HEADER + at, true);
  const end = FILE_HEADER + size;
  if (size === 12) {
    const bits = u16(10);
    const depth = { bits, colors: 2 ** bits, entry: 3, compression: RAW, masks: [] };
    return { width: u16(4), height: u16(6), topDown: false, ...depth, end };
  }
  if (![40, 52, 56, 64, 108, 124].includes(size)) {
    throw new DamagedImage(`a BMP with a header of ${size} bytes, a kind that is not known`);
  }
  const topDown = bytes[FILE_HEADER + 11] === 0xff;
  const [bits, compression] = [u16(14), u32(16)];
  const inHeader = size >= 52;
  const fields = compression === BITFIELDS;
  if (fields && !inHeader) requireBytes(bytes, end, 12, 'the header of the BMP');
  const masks = fields ? [40, 44, 48, ...(size >= 56 ? [52] : [])].map(u32) : [];
  return {
    width: u32(4),
    height: topDown ? 2 ** 32 - u32(8) : u32(8),
    topDown,
    bits,
    compression,
    colors: u32(32) || 2 ** bits,
    entry: 4,
    masks: fields && masks.length === 3 ? [...masks, 0] : masks,
    end: fields && !inHeader ? end + 12 : end,
  };
}

export function decodeBmp(bytes: Uint8Array, checkSize: CheckSize): RgbImage {
  requireBytes(bytes, 0, FILE_HEADER, 'the header of the BMP');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = readHeader(bytes, view);
  const { width, height, bits, compression } = header;
  if (width === 0 || height === 0) throw new DamagedImage(`the BMP has ${width} × ${height} pixels`);
  checkSize(width, height);
  const size = { width, height };
  const rle = compression === RLE8 || compression === RLE4;
  if (![RAW, BITFIELDS].includes(compression) && !rle) {
    throw new DamagedImage(`a BMP with compression ${compression}, which is not read`);
  }
  if ([1, 4, 8].includes(bits) && compression !== BITFIELDS) {
    return { data: indexed(bytes, view, header), ...size };
  }
  const colors = rle ? undefined : colorReader(header);
  if (!colors)
    throw new DamagedImage(`a BMP of ${bits} bits with compression ${compression}, which is not read`);
  return { data: readColors(bytes, pixelsAt(view, header), header, colors), ...size };
}

/** Where the pixels begin. */
function pixelsAt(view: DataView, { bits, entry, colors, end }: Header): number {
  const given = view.getUint32(10, true);
  const header = FILE_HEADER + view.getUint32(FILE_HEADER, true);
  const paletteBytes = bits <= 8 ? entry * colors : 0;
  // Pillow takes an offset right behind the header for a mistake.
  if (given === header && bits <= 8) return given + paletteBytes;
  return given || end + paletteBytes;
}

/** Where the row of the file stands in the image. */
const rowOf = ({ height, topDown }: Header, y: number) => (topDown ? y : height - 1 - y);

const strideOf = ({ width, bits }: Header) => Math.floor((width * bits + 31) / 32) * 4;

function requirePixels(bytes: Uint8Array, at: number, stride: number, row: number, height: number): void {
  if (row > stride) throw new DamagedImage('the palette of the BMP does not fit its depth');
  if (at + stride * (height - 1) + row > bytes.length)
    throw new DamagedImage('the pixels of the BMP end early');
}

function indexed(bytes: Uint8Array, view: DataView, header: Header): Uint8Array {
  const { width, height, bits, compression, colors, entry, end } = header;
  if (colors < 1 || colors > 65_536) throw new DamagedImage(`a palette of ${colors} colours`);
  const table = bytes.subarray(end, end + entry * colors);
  const grey = isGrey(table, colors, entry);
  if (!grey && table.length / entry > 256) throw new DamagedImage(`a palette of ${colors} colours`);
  const at = pixelsAt(view, header);
  // A palette that only counts up is left out, and with it, in Pillow, the depth of the pixels.
  const twoLevels = grey && colors <= 2;
  const palette = grey ? greyRamp(twoLevels ? 2 : 256) : paletteOf(table, entry, [2, 1, 0]);
  if (compression !== RAW) {
    const indices = decodeRle(bytes, at, header, compression === RLE4);
    return rgbOfIndices(indices, twoLevels ? palette.fill(255, 6) : palette);
  }
  const depth = grey ? (twoLevels ? 1 : 8) : bits;
  const [stride, row] = [strideOf(header), Math.ceil((width * depth) / 8)];
  requirePixels(bytes, at, stride, row, height);
  const indices = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const begin = at + y * stride;
    unpackBits(bytes.subarray(begin, begin + row), depth, indices, rowOf(header, y) * width, width);
  }
  return rgbOfIndices(indices, palette);
}

/** Whether the colours are 0, 1, 2 …, or black and white. */
function isGrey(table: Uint8Array, colors: number, entry: number): boolean {
  for (let i = 0; i < colors; i++) {
    const level = colors === 2 ? i * 255 : i & 255;
    for (let channel = 0; channel < 3; channel++) if (table[i * entry + channel] !== level) return false;
  }
  return true;
}

/** Bits of a colour in a pixel: from which bit, how many. */
type Field = readonly [shift: number, bits: number];
type Fields = readonly [red: Field, green: Field, blue: Field];

const bytesAt = (red: number, green: number, blue: number): Fields => [
  [8 * red, 8],
  [8 * green, 8],
  [8 * blue, 8],
];
const FIVE: Fields = [
  [10, 5],
  [5, 5],
  [0, 5],
];
const FIVE_SIX_FIVE: Fields = [
  [11, 5],
  [5, 6],
  [0, 5],
];

/** The layouts that Pillow knows, by depth and masks. */
const layouts: Readonly<Record<string, Fields>> = {
  '32 ff0000 ff00 ff 0': bytesAt(2, 1, 0),
  '32 ff000000 ff0000 ff00 0': bytesAt(3, 2, 1),
  '32 ff000000 ff00 ff 0': bytesAt(3, 1, 0),
  '32 ff000000 ff0000 ff00 ff': bytesAt(3, 2, 1),
  '32 ff ff00 ff0000 ff000000': bytesAt(0, 1, 2),
  '32 ff0000 ff00 ff ff000000': bytesAt(2, 1, 0),
  '32 ff000000 ff00 ff ff0000': bytesAt(3, 1, 0),
  '32 0 0 0 0': bytesAt(2, 1, 0),
  '24 ff0000 ff00 ff': bytesAt(2, 1, 0),
  '16 f800 7e0 1f': FIVE_SIX_FIVE,
  '16 7c00 3e0 1f': FIVE,
};

function colorReader({ bits, compression, masks }: Header): Fields | undefined {
  if (compression === RAW)
    return bits === 16 ? FIVE : bits === 24 || bits === 32 ? bytesAt(2, 1, 0) : undefined;
  const shown = (bits === 32 ? masks : masks.slice(0, 3)).map((mask) => mask.toString(16));
  return layouts[`${bits} ${shown.join(' ')}`];
}

function readColors(bytes: Uint8Array, at: number, header: Header, fields: Fields): Uint8Array {
  const { width, height, bits } = header;
  const [stride, size] = [strideOf(header), bits / 8];
  requirePixels(bytes, at, stride, width * size, height);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    let o = rowOf(header, y) * width * 3;
    for (let x = 0, p = at + y * stride; x < width; x++, p += size) {
      let pixel = 0;
      for (let i = 0; i < size; i++) pixel |= bytes[p + i]! << (8 * i);
      for (const [shift, count] of fields) {
        const most = 2 ** count - 1;
        data[o++] = Math.floor((((pixel >>> shift) & most) * 255) / most);
      }
    }
  }
  return data;
}

/** Run lengths of bytes or of halves of bytes. */
function decodeRle(bytes: Uint8Array, start: number, header: Header, halves: boolean): Uint8Array {
  const { width, height } = header;
  const out = new Uint8Array(width * height);
  const half = (byte: number, i: number) => (!halves ? byte : i % 2 === 0 ? byte >> 4 : byte & 15);
  let [at, to, x] = [start, 0, 0];
  const skipTo = (place: number) => {
    to = Math.min(place, out.length);
    x = to % width;
  };
  while (to < out.length && at + 2 <= bytes.length) {
    const [count, value] = [bytes[at]!, bytes[at + 1]!];
    at += 2;
    if (count > 0) {
      const run = x + count > width ? Math.max(0, width - x) : count;
      for (let i = 0; i < run; i++) out[to++] = half(value, i);
      x += run;
    } else if (value === 0) {
      skipTo(Math.ceil(to / width) * width);
      x = 0;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      if (at + 2 > bytes.length) break;
      skipTo(to + bytes[at]! + bytes[at + 1]! * width);
      at += 2;
    } else {
      const pixels = Math.min(out.length - to, value);
      const length = halves ? Math.ceil(pixels / 2) : pixels;
      if (at + length > bytes.length) break;
      for (let i = 0; i < pixels; i++) out[to++] = half(bytes[at + (halves ? i >> 1 : i)]!, i);
      at += length;
      x += value;
      at += at % 2;
    }
  }
  if (to < out.length) throw new DamagedImage('the pixels of the BMP end early');
  if (!header.topDown) {
    for (let y = 0; y < height >> 1; y++) swapRows(out, width, y, height - 1 - y);
  }
  return out;
}

function swapRows(indices: Uint8Array, width: number, a: number, b: number): void {
  const kept = indices.slice(a * width, (a + 1) * width);
  indices.copyWithin(a * width, b * width, (b + 1) * width);
  indices.set(kept, b * width);
}
