/**
 * The first frame of a GIF on its screen, as Pillow's GifImagePlugin and GifDecode.c read it: transparent pixels have the
 * colour that the palette gives them, what the frame does not cover has the transparent colour, or else the first.
 */
import type { RgbImage } from '../types.js';
import { type CheckSize, DamagedImage, requireBytes } from './damaged.js';
import { greyRamp, paletteOf } from './expand.js';

/** Bytes that Pillow reads at a time; what follows an early end of the codes depends on it. */
const READ_BYTES = 65_536;

interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly interlaced: boolean;
  readonly palette: Uint8Array;
  readonly transparent: number | undefined;
  /** Where the codes begin, and their first size in bits. */
  readonly at: number;
  readonly bits: number;
}

export function decodeGif(bytes: Uint8Array, checkSize: CheckSize): RgbImage {
  requireBytes(bytes, 0, 13, 'the header of the GIF');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const screen = [view.getUint16(6, true), view.getUint16(8, true)] as const;
  const frame = readFrame(bytes, view);
  checkSize(...screen);
  const width = Math.max(screen[0], frame.left + frame.width);
  const height = Math.max(screen[1], frame.top + frame.height);
  checkSize(width, height);
  if (frame.width === 0 || frame.height === 0)
    throw new DamagedImage('the first frame of the GIF has no pixels');
  const ground = (frame.transparent ?? 0) * 3;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = frame.palette[ground + (i % 3)]!;
  decodeCodes(bytes, frame, data, width);
  return { data, width, height };
}

/** The palette of `flags`, and where it ends. Shorter at the end of a file, where Pillow finds no frame anyway. */
function readPalette(
  bytes: Uint8Array,
  at: number,
  flags: number,
): { palette: Uint8Array | undefined; end: number } {
  if ((flags & 0x80) === 0) return { palette: undefined, end: at };
  const end = at + (3 << ((flags & 7) + 1));
  return { palette: paletteOf(bytes.subarray(at, end)), end };
}

/** Past the sub-blocks that begin at `at`, with the empty one that ends them. */
function skipBlocks(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end < bytes.length && bytes[end] !== 0) end += bytes[end]! + 1;
  return end + 1;
}

function readFrame(bytes: Uint8Array, view: DataView): Frame {
  const none = () => new DamagedImage('the GIF has no frame');
  const global = readPalette(bytes, 13, bytes[10]!);
  let transparent: number | undefined;
  for (let at = global.end; at < bytes.length; ) {
    const kind = bytes[at++];
    if (kind === 0x3b) throw none();
    if (kind === 0x21) {
      if (at >= bytes.length) throw none();
      const size = bytes[at + 1] ?? 0;
      if (bytes[at] === 0xf9 && size > 0) {
        if (size < 4 || at + 6 > bytes.length) throw new DamagedImage('an extension of the GIF is too short');
        if (bytes[at + 2]! & 1) transparent = bytes[at + 5]!;
      }
      at = skipBlocks(bytes, at + 1);
    } else if (kind === 0x2c) {
      requireBytes(bytes, at, 9, 'the first frame of the GIF');
      const flags = bytes[at + 8]!;
      const local = readPalette(bytes, at + 9, flags);
      requireBytes(bytes, local.end, 1, 'the first frame of the GIF');
      const [left, top, width, height] = [0, 2, 4, 6].map((offset) => view.getUint16(at + offset, true)) as [
        number,
        number,
        number,
        number,
      ];
      return {
        left,
        top,
        width,
        height,
        interlaced: (flags & 0x40) !== 0,
        palette: local.palette ?? global.palette ?? greyRamp(256),
        transparent,
        bits: bytes[local.end]!,
        at: local.end + 1,
      };
    }
  }
  throw none();
}

/** Rows of an interlaced frame in the order in which they come. */
function* rowOrder(height: number, interlaced: boolean): Generator<number, void> {
  const passes = interlaced
    ? ([
        [0, 8],
        [4, 8],
        [2, 4],
        [1, 2],
      ] as const)
    : ([[0, 1]] as const);
  for (const [first, step] of passes) for (let y = first; y < height; y += step) yield y;
}

/** Entries of the table, and bits of the longest code. */
const TABLE = 4096;
const LONGEST = 12;

/** LZW, as GifDecode.c has it; writes colours to their places in an image of `pitch` pixels a row. */
function decodeCodes(bytes: Uint8Array, frame: Frame, out: Uint8Array, pitch: number): void {
  const damaged = () => new DamagedImage('the pixels of the GIF are damaged');
  if (frame.bits > LONGEST) throw damaged();
  const order = rowOrder(frame.height, frame.interlaced);
  const nextRow = () => {
    const row = order.next();
    return row.done ? -1 : (frame.top + row.value) * pitch + frame.left;
  };
  const { palette } = frame;
  const clear = 1 << frame.bits;
  const suffix = new Uint8Array(TABLE);
  const link = new Uint16Array(TABLE);
  const string = new Uint8Array(TABLE + 1);
  const read = codeReader(bytes, frame.at);
  let to = nextRow();
  let x = 0;
  let next = clear + 2;
  let size = frame.bits + 1;
  let fresh = true;
  let lastCode = 0;
  let lastIndex = 0;
  for (;;) {
    const code = read.code(size);
    if (code === clear) {
      next = clear + 2;
      size = frame.bits + 1;
      fresh = true;
      continue;
    }
    if (code === clear + 1) {
      read.nextBlock();
      continue;
    }
    let length = 0;
    if (fresh) {
      if (code > clear) throw damaged();
      lastIndex = lastCode = code;
      fresh = false;
      string[TABLE - length++] = code;
    } else {
      if (code > next) throw damaged();
      let at = code;
      if (code === next) {
        string[TABLE - length++] = lastIndex;
        at = lastCode;
      }
      while (at >= clear) {
        if (length >= TABLE || at >= TABLE) throw damaged();
        string[TABLE - length++] = suffix[at]!;
        at = link[at]!;
      }
      string[TABLE - length++] = at;
      lastIndex = at;
      if (next < TABLE) {
        suffix[next] = at;
        link[next] = lastCode;
        if (next === (1 << size) - 1 && size < LONGEST) size++;
        next++;
      }
      lastCode = code;
    }
    for (let i = TABLE - length + 1; i <= TABLE; i++) {
      const color = string[i]! * 3;
      const place = (to + x) * 3;
      out[place] = palette[color]!;
      out[place + 1] = palette[color + 1]!;
      out[place + 2] = palette[color + 2]!;
      if (++x < frame.width) continue;
      x = 0;
      to = nextRow();
      if (to < 0) return;
    }
  }
}

/** Codes out of the sub-blocks; throws where the file ends within them. */
function codeReader(bytes: Uint8Array, start: number) {
  const early = () => new DamagedImage('the pixels of the GIF end early');
  let at = start;
  let read = start + READ_BYTES;
  let left = 0;
  let bits = 0;
  let held = 0;
  const openBlock = () => {
    if (at >= bytes.length || at + 1 + bytes[at]! > bytes.length) throw early();
    left = bytes[at++]!;
    while (read < at + left) read += READ_BYTES;
  };
  return {
    code(size: number): number {
      while (held < size) {
        if (left === 0) {
          openBlock();
          continue;
        }
        bits |= bytes[at++]! << held;
        left--;
        held += 8;
      }
      const code = bits & ((1 << size) - 1);
      bits >>>= size;
      held -= size;
      return code;
    },
    /** After an end code that came too early: Pillow goes on if the file has more than it has read. */
    nextBlock(): void {
      if (read >= bytes.length) throw early();
      read += READ_BYTES;
    },
  };
}
