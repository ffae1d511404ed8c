/**
 * PNG as Pillow's PngImagePlugin and ZipDecode.c read it: checksums of the chunks before the pixels are checked, those
 * of the pixels not; missing rows are an error unless the stream ends between two rows; text that inflates to more than
 * a megabyte is refused; colour profiles, gamma, EXIF turns and alpha leave the pixels as they are; of an animation the
 * first image is taken.
 */
import { concatBytes } from '../../concat.js';
import type { RgbImage } from '../types.js';
import { crc32 } from './crc32.js';
import { type CheckSize, DamagedImage } from './damaged.js';
import { greyRamp, paletteOf } from './expand.js';
import { type Inflate, inflatedLength, inflateInto } from './inflate.js';
import { makeRowWriter, type PixelKind, pixelKinds, type RowWriter } from './pngRows.js';

const SIGNATURE_LENGTH = 8;

/** Pillow's MAX_TEXT_CHUNK and MAX_TEXT_MEMORY: what one text or profile, and all texts together, may inflate to. */
const MAX_TEXT = 2 ** 20;
const MAX_ALL_TEXT = 64 * MAX_TEXT;

interface Chunk {
  readonly name: string;
  readonly data: Uint8Array<ArrayBuffer>;
  /** Whether the file ends before the chunk does. */
  readonly cut: boolean;
  readonly crcMatches: () => boolean;
  readonly next: number;
}

/** What the chunks before the pixels say. */
interface Header {
  width: number;
  height: number;
  kind: PixelKind | undefined;
  interlaced: boolean;
  palette: Uint8Array | undefined;
  /** Where the first image of an animation lies: left, top, width, height. */
  frame: readonly [number, number, number, number] | undefined;
  /** Number of images that an animation says it has. */
  frames: number | undefined;
  sequence: number | undefined;
  text: number;
}

/** Whether a byte is a letter, a digit or an underscore: what Pillow takes in the name of a chunk. */
const isWordByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  /\w/.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** The chunk at `at`, or undefined if there is no whole header. Throws for a name that is none. */
function readChunk(bytes: Uint8Array<ArrayBuffer>, at: number): Chunk | undefined {
  if (at + 8 > bytes.length) return undefined;
  const word = (from: number) =>
    bytes[from]! * 2 ** 24 + (bytes[from + 1]! << 16) + (bytes[from + 2]! << 8) + bytes[from + 3]!;
  for (let i = at + 4; i < at + 8; i++) {
    if (!isWordByte[bytes[i]!]) throw new DamagedImage('a chunk of the PNG has no valid name');
  }
  const end = at + 8 + word(at);
  return {
    name: String.fromCharCode(bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!),
    data: bytes.subarray(at + 8, Math.min(end, bytes.length)),
    cut: end > bytes.length,
    crcMatches: () => end + 4 <= bytes.length && word(end) === crc32(bytes.subarray(at + 4, end)),
    next: end + 4,
  };
}

function need(data: Uint8Array, length: number, name: string): void {
  if (data.length < length) throw new DamagedImage(`the ${name} chunk of the PNG is too short`);
}

const viewOf = (data: Uint8Array) => new DataView(data.buffer, data.byteOffset, data.length);

/** Shortest lengths of chunks that change no pixel. */
const SHORTEST: Readonly<Record<string, number>> = { gAMA: 4, cHRM: 32, sRGB: 1, pHYs: 9 };

/** Takes what a chunk says; throws where Pillow refuses it. */
function applyChunk(header: Header, { name, data }: Chunk): void {
  switch (name) {
    case 'IHDR':
      applyHeader(header, data);
      return;
    case 'PLTE':
      if (data.length > 768) throw new DamagedImage('the palette of the PNG has more than 256 colours');
      header.palette = data;
      return;
    case 'tRNS':
      if (header.kind && !header.kind.palette && !header.kind.alpha)
        need(data, header.kind.channels * 2, name);
      return;
    case 'iCCP':
    case 'zTXt':
    case 'iTXt':
    case 'tEXt':
      applyText(header, name, data);
      return;
    case 'acTL':
      need(data, 8, name);
      header.frames = header.frames === undefined ? viewOf(data).getUint32(0) || undefined : undefined;
      return;
    case 'fcTL':
      applyFrame(header, data);
      return;
    default:
      need(data, SHORTEST[name] ?? 0, name);
  }
}

function applyHeader(header: Header, data: Uint8Array): void {
  need(data, 13, 'IHDR');
  const view = viewOf(data);
  header.width = view.getUint32(0);
  header.height = view.getUint32(4);
  header.kind = pixelKinds[`${data[8]}/${data[9]}`] ?? header.kind;
  header.interlaced ||= data[12] !== 0;
  if (data[11] !== 0) throw new DamagedImage('the PNG has an unknown kind of filters');
}

/** Compressed texts and profiles, of which Pillow bounds the size. */
function applyText(header: Header, name: string, data: Uint8Array): void {
  const zero = data.indexOf(0);
  if (name === 'tEXt') {
    header.text += zero < 0 ? 0 : data.length - zero - 1;
  } else if (name === 'iTXt') {
    header.text += internationalText(data, zero);
  } else {
    if (name === 'iCCP' && zero + 1 >= data.length) need(data, data.length + 1, name);
    const method = zero < 0 ? (name === 'iCCP' ? data[0] : 0) : (data[zero + 1] ?? 0);
    if (method !== 0) throw new DamagedImage(`the ${name} chunk of the PNG has an unknown compression`);
    const length = zero < 0 && name === 'zTXt' ? 0 : inflatedText(data.subarray(zero + 2), name);
    if (name === 'zTXt') header.text += length;
  }
  if (header.text > MAX_ALL_TEXT) throw new DamagedImage('the texts in the PNG take more than 64 MB');
}

function internationalText(data: Uint8Array, zero: number): number {
  if (zero < 0 || data.length < zero + 3) return 0;
  const language = data.indexOf(0, zero + 3);
  const key = language < 0 ? -1 : data.indexOf(0, language + 1);
  if (key < 0) return 0;
  const text = data.subarray(key + 1);
  if (data[zero + 1] === 0) return text.length;
  return data[zero + 2] === 0 ? inflatedText(text, 'iTXt') : 0;
}

function inflatedText(stream: Uint8Array, name: string): number {
  const length = inflatedLength(stream, MAX_TEXT);
  if (length > MAX_TEXT) throw new DamagedImage(`the ${name} chunk of the PNG inflates to more than 1 MB`);
  return length;
}

function applyFrame(header: Header, data: Uint8Array): void {
  need(data, 26, 'fcTL');
  const view = viewOf(data);
  nextInSequence(header, view.getUint32(0));
  const frame = [view.getUint32(12), view.getUint32(16), view.getUint32(4), view.getUint32(8)] as const;
  if (frame[0] + frame[2] > header.width || frame[1] + frame[3] > header.height) {
    throw new DamagedImage('a frame of the animated PNG reaches outside the image');
  }
  header.frame = frame;
}

function nextInSequence(header: Header, number: number): void {
  if (number !== (header.sequence ?? -1) + 1)
    throw new DamagedImage('frames of the animated PNG are out of sequence');
  header.sequence = number;
}

/** Reads the chunks up to the first with pixels, which it gives. */
function readHeader(bytes: Uint8Array<ArrayBuffer>): { header: Header; first: Chunk } {
  const header: Header = {
    width: 0,
    height: 0,
    kind: undefined,
    interlaced: false,
    palette: undefined,
    frame: undefined,
    frames: undefined,
    sequence: undefined,
    text: 0,
  };
  for (let at = SIGNATURE_LENGTH; ; ) {
    const chunk = readChunk(bytes, at);
    if (!chunk) throw new DamagedImage('the PNG ends before its pixels');
    if (chunk.name === 'IEND') throw new DamagedImage('the PNG has no pixels');
    if (chunk.name === 'IDAT' || chunk.name === 'fdAT') return { header, first: chunk };
    if (chunk.cut) throw new DamagedImage(`the PNG ends within its ${chunk.name} chunk`);
    applyChunk(header, chunk);
    if (!chunk.crcMatches())
      throw new DamagedImage(`the checksum of the ${chunk.name} chunk of the PNG is wrong`);
    at = chunk.next;
  }
}

/** The pixels' stream: the data of the chunks from `first` on, one behind the other; and where the next chunk begins. */
function pixelStream(bytes: Uint8Array<ArrayBuffer>, header: Header, first: Chunk) {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let chunk: Chunk | undefined = first;
  let at = first.next;
  while (chunk && (chunk.name === first.name || chunk.name === 'DDAT')) {
    if (chunk.name === 'fdAT') {
      need(chunk.data, 4, 'fdAT');
      nextInSequence(header, viewOf(chunk.data).getUint32(0));
    }
    parts.push(chunk.name === 'fdAT' ? chunk.data.subarray(4) : chunk.data);
    at = chunk.next;
    chunk = chunk.cut ? undefined : readChunkOrEnd(bytes, at);
  }
  return { stream: concatBytes(parts), reads: readEnds(parts), next: at };
}

/** Bytes that Pillow reads at most at a time. */
const READ_BYTES = 65_536;

function readEnds(parts: readonly Uint8Array[]): number[] {
  const ends: number[] = [];
  let begin = 0;
  for (const { length } of parts) {
    for (let at = READ_BYTES; at < length; at += READ_BYTES) ends.push(begin + at);
    begin += length;
    ends.push(begin);
  }
  return ends;
}

function readChunkOrEnd(bytes: Uint8Array<ArrayBuffer>, at: number): Chunk | undefined {
  try {
    return readChunk(bytes, at);
  } catch (error) {
    if (error instanceof DamagedImage) return undefined;
    throw error;
  }
}

/** Looks through the chunks behind the pixels, as Pillow's load_end does: no checksums, the file may end between two. */
function checkTrailer(bytes: Uint8Array<ArrayBuffer>, header: Header, from: number): void {
  const animated = (header.frames ?? 0) + (header.frame ? 0 : 1) > 1;
  for (let at = from; ; ) {
    const chunk = readChunkOrEnd(bytes, at);
    if (!chunk || chunk.name === 'IEND' || (chunk.name === 'fcTL' && animated)) return;
    if (chunk.cut) throw new DamagedImage(`the PNG ends within its ${chunk.name} chunk`);
    if (chunk.name === 'fdAT') nextInSequence(header, viewOf(chunk.data).getUint32(0));
    else applyChunk(header, chunk);
    at = chunk.next;
  }
}

function paletteFor(kind: PixelKind, colors: Uint8Array | undefined): Uint8Array | undefined {
  if (kind.palette) return paletteOf(colors ?? new Uint8Array());
  // Grey of less than 8 bits goes through a palette too: 0 to 255 in equal steps.
  return kind.bits < 8 ? greyRamp(2 ** kind.bits) : undefined;
}

/** @param inflate the engine's own, if it has one */
export async function decodePng(
  bytes: Uint8Array<ArrayBuffer>,
  checkSize: CheckSize,
  inflate?: Inflate,
): Promise<RgbImage> {
  const { header, first } = readHeader(bytes);
  const { width, height, kind, interlaced } = header;
  if (!kind) throw new DamagedImage('the PNG has an unknown kind of pixels');
  if (width === 0 || height === 0) throw new DamagedImage(`the PNG has ${width} × ${height} pixels`);
  checkSize(width, height);
  const frame = header.frame ?? [0, 0, width, height];
  const { stream, reads, next } = pixelStream(bytes, header, first);
  const palette = paletteFor(kind, header.palette);
  const open = () => makeRowWriter({ width, height, frame, kind, interlaced, palette });
  let rows = open();
  if (!(inflate && (await inflate(stream, rows.write)) && rows.done())) {
    rows = open();
    inflateAll(stream, reads, rows);
  }
  checkTrailer(bytes, header, next);
  return { data: rows.rgb, width, height };
}

/**
 * Inflates as far as Pillow does; throws if the image is not complete then. `reads` are the places in the stream where
 * Pillow's reads end: what is wrong behind the last row shows only if it came with it.
 */
function inflateAll(stream: Uint8Array, reads: readonly number[], rows: RowWriter): void {
  const { end, needed, read } = inflateInto(stream, rows.write);
  // Pillow stops at the last row: what is behind it may be damaged.
  if (rows.overfull()) return;
  const together = (reads.find((place) => place >= needed) ?? stream.length) >= read;
  if (end === 'broken' && (together || !rows.done()))
    throw new DamagedImage('the pixels of the PNG are damaged');
  if (rows.done()) return;
  if (!(end === 'end' && together && rows.betweenRows()))
    throw new DamagedImage('the pixels of the PNG end early');
}
