/** Rows of a PNG: filters undone, samples turned into RGB, interlaced ones put in their places (Pillow's ZipDecode.c). */
import { DamagedImage } from './damaged.js';
import type { Sink } from './inflate.js';

/** A combination of bit depth and colour type. */
export interface PixelKind {
  /** Bits of a sample. */
  readonly bits: number;
  /** Samples of a pixel, alpha among them. */
  readonly channels: number;
  readonly alpha: boolean;
  readonly palette: boolean;
}

const kind = (bits: number, channels: number, alpha = false, palette = false): PixelKind => ({
  bits,
  channels,
  alpha,
  palette,
});

/** By `bit depth/colour type`, as they stand in the header. */
export const pixelKinds: Readonly<Record<string, PixelKind>> = {
  '1/0': kind(1, 1),
  '2/0': kind(2, 1),
  '4/0': kind(4, 1),
  '8/0': kind(8, 1),
  '16/0': kind(16, 1),
  '8/2': kind(8, 3),
  '16/2': kind(16, 3),
  '1/3': kind(1, 1, false, true),
  '2/3': kind(2, 1, false, true),
  '4/3': kind(4, 1, false, true),
  '8/3': kind(8, 1, false, true),
  '8/4': kind(8, 2, true),
  '16/4': kind(16, 2, true),
  '8/6': kind(8, 4, true),
  '16/6': kind(16, 4, true),
};

export interface RowWriter {
  /** Takes the stream's bytes; throws for a filter that does not exist. */
  readonly write: Sink;
  readonly rgb: Uint8Array<ArrayBuffer>;
  /** Whether all rows are there. */
  readonly done: () => boolean;
  /** Whether there were bytes behind the last row. */
  readonly overfull: () => boolean;
  /** Whether some rows are there, and none in part. */
  readonly betweenRows: () => boolean;
}

/** A pass over every `dx`-th column from `x` on and every `dy`-th row from `y` on. */
interface Pass {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
}

const ADAM7: readonly Pass[] = [
  { x: 0, y: 0, dx: 8, dy: 8 },
  { x: 4, y: 0, dx: 8, dy: 8 },
  { x: 0, y: 4, dx: 4, dy: 8 },
  { x: 2, y: 0, dx: 4, dy: 4 },
  { x: 0, y: 2, dx: 2, dy: 4 },
  { x: 1, y: 0, dx: 2, dy: 2 },
  { x: 0, y: 1, dx: 1, dy: 2 },
];
const PROGRESSIVE: readonly Pass[] = [{ x: 0, y: 0, dx: 1, dy: 1 }];

/** Writes `count` pixels of a row to `rgb`, from `at` on, `step` bytes apart. */
type ToRgb = (row: Uint8Array, count: number, rgb: Uint8Array, at: number, step: number) => void;

function rowToRgb({ bits, channels }: PixelKind, palette: Uint8Array | undefined): ToRgb {
  if (palette) {
    const mask = (1 << bits) - 1;
    return (row, count, rgb, at, step) => {
      for (let x = 0, o = at, i = 0; x < count; i++) {
        const byte = row[i]!;
        for (let shift = 8 - bits; shift >= 0 && x < count; shift -= bits, x++, o += step) {
          const p = ((byte >> shift) & mask) * 3;
          rgb[o] = palette[p]!;
          rgb[o + 1] = palette[p + 1]!;
          rgb[o + 2] = palette[p + 2]!;
        }
      }
    };
  }
  // 16-bit grey is Pillow's mode I;16, whose conversion clips; every other kind keeps the high bytes.
  if (bits === 16 && channels === 1) {
    return (row, count, rgb, at, step) => {
      for (let x = 0, o = at; x < count; x++, o += step)
        rgb.fill(row[2 * x] === 0 ? row[2 * x + 1]! : 255, o, o + 3);
    };
  }
  const bytes = (bits / 8) * channels;
  if (bytes === 3) {
    return (row, count, rgb, at, step) => {
      if (step === 3) rgb.set(row.subarray(0, count * 3), at);
      else
        for (let x = 0, p = 0, o = at; x < count; x++, p += 3, o += step) rgb.set(row.subarray(p, p + 3), o);
    };
  }
  const [green, blue] = channels < 3 ? [0, 0] : [bits / 8, bits / 4];
  return (row, count, rgb, at, step) => {
    for (let x = 0, p = 0, o = at; x < count; x++, p += bytes, o += step) {
      rgb[o] = row[p]!;
      rgb[o + 1] = row[p + green]!;
      rgb[o + 2] = row[p + blue]!;
    }
  };
}

/** Undoes Paeth's filter for one byte of each pixel: what the next one needs stays in registers. */
function paeth(row: Uint8Array, previous: Uint8Array, first: number, length: number, distance: number): void {
  let left = 0;
  let corner = 0;
  for (let i = first; i < length; i += distance) {
    const up = previous[i]!;
    const toLeft = Math.abs(up - corner);
    const toUp = Math.abs(left - corner);
    const toCorner = Math.abs(left + up - 2 * corner);
    left = (row[i]! + (toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner)) & 255;
    row[i] = left;
    corner = up;
  }
}

/** Undoes the filter of a row in place; `previous` is the row above it, `distance` the bytes of a pixel. */
function unfilter(
  filter: number,
  row: Uint8Array,
  previous: Uint8Array,
  length: number,
  distance: number,
): void {
  switch (filter) {
    case 0:
      return;
    case 1:
      for (let i = distance; i < length; i++) row[i] = row[i]! + row[i - distance]!;
      return;
    case 2:
      for (let i = 0; i < length; i++) row[i] = row[i]! + previous[i]!;
      return;
    case 3:
      for (let i = 0; i < distance && i < length; i++) row[i] = row[i]! + (previous[i]! >> 1);
      for (let i = distance; i < length; i++) row[i] = row[i]! + ((row[i - distance]! + previous[i]!) >> 1);
      return;
    case 4:
      for (let first = 0; first < distance; first++) paeth(row, previous, first, length, distance);
      return;
    default:
      throw new DamagedImage(`the PNG has a row with the unknown filter ${filter}`);
  }
}

/** Where rows go: an image of width × height, black or the palette's first colour where no row comes. */
export function makeRowWriter(image: {
  readonly width: number;
  readonly height: number;
  /** Left, top, width and height of what the rows show. */
  readonly frame: readonly [number, number, number, number];
  readonly kind: PixelKind;
  readonly interlaced: boolean;
  readonly palette: Uint8Array | undefined;
}): RowWriter {
  const { width, height, kind, palette } = image;
  const [left, top, columns, lines] = image.frame;
  if (columns === 0 || lines === 0)
    throw new DamagedImage('the first frame of the animated PNG has no pixels');
  const rgb = new Uint8Array(width * height * 3);
  if (palette?.subarray(0, 3).some((level) => level !== 0)) {
    for (let i = 0; i < rgb.length; i++) rgb[i] = palette[i % 3]!;
  }
  const bitsPerPixel = kind.bits * kind.channels;
  const distance = Math.ceil(bitsPerPixel / 8);
  const toRgb = rowToRgb(kind, palette);
  const passes = image.interlaced ? ADAM7 : PROGRESSIVE;
  const longest = 1 + Math.ceil((columns * bitsPerPixel) / 8);
  let row = new Uint8Array(longest);
  let previous = new Uint8Array(longest);
  let pass = 0;
  let y = 0;
  let count = columns;
  let rowBytes = 0;
  let filled = 0;
  let rows = 0;
  let extra = false;

  const startPass = () => {
    for (; pass < passes.length; pass++) {
      const { x, y: firstRow, dx } = passes[pass]!;
      y = firstRow;
      count = Math.floor((columns - x + dx - 1) / dx);
      rowBytes = Math.ceil((count * bitsPerPixel) / 8);
      previous.fill(0);
      if (count > 0 && y < lines) return;
    }
  };
  startPass();

  const finishRow = () => {
    const pixels = row.subarray(1);
    unfilter(row[0]!, pixels, previous.subarray(1), rowBytes, distance);
    const { x, dx, dy } = passes[pass]!;
    toRgb(pixels, count, rgb, ((top + y) * width + left + x) * 3, 3 * dx);
    [row, previous] = [previous, row];
    filled = 0;
    rows++;
    y += dy;
    if (y >= lines) {
      pass++;
      startPass();
    }
  };

  const write: Sink = (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (pass === passes.length) {
        extra = true;
        return false;
      }
      const taken = Math.min(1 + rowBytes - filled, bytes.length - at);
      row.set(bytes.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled === 1 + rowBytes) finishRow();
    }
    return true;
  };

  return {
    write,
    rgb,
    done: () => pass === passes.length,
    overfull: () => extra,
    betweenRows: () => rows > 0 && filled === 0,
  };
}
