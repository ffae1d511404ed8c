/** What strips and tiles of a TIFF are compressed with, and the predictor before it, as libtiff has them. */
import { DamagedImage } from './damaged.js';
import { type Inflate, inflateInto } from './inflate.js';

export const COMPRESSION = { none: 1, lzw: 5, deflate: 8, packBits: 32_773, oldDeflate: 32_946 } as const;

const early = () => new DamagedImage('the pixels of the TIFF end early');
const damaged = () => new DamagedImage('the pixels of the TIFF are damaged');

/** Exactly `length` bytes out of compressed ones; throws if there are fewer. */
export async function decompress(
  data: Uint8Array<ArrayBuffer>,
  compression: number,
  length: number,
  inflate: Inflate | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  switch (compression) {
    case COMPRESSION.none:
      if (data.length < length) throw early();
      return data.slice(0, length);
    case COMPRESSION.packBits:
      return unpackBytes(data, length);
    case COMPRESSION.lzw:
      return decodeLzw(data, length);
    default:
      return inflated(data, length, inflate);
  }
}

async function inflated(data: Uint8Array<ArrayBuffer>, length: number, inflate: Inflate | undefined) {
  const out = new Uint8Array(length);
  let filled = 0;
  let more = false;
  const sink = (bytes: Uint8Array) => {
    const room = length - filled;
    more ||= bytes.length > room;
    out.set(bytes.length > room ? bytes.subarray(0, room) : bytes, filled);
    filled += Math.min(bytes.length, room);
    return bytes.length <= room;
  };
  if (inflate && (await inflate(data, sink)) && filled === length) return out;
  filled = 0;
  more = false;
  const { end } = inflateInto(data, sink);
  // As zlib, which stops at the first byte too many: what is broken behind it is not seen.
  if (end === 'broken' && !more) throw damaged();
  if (filled < length) throw early();
  return out;
}

/** Apple's PackBits. */
function unpackBytes(data: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  let to = 0;
  for (let at = 0; to < length; ) {
    if (at >= data.length) throw early();
    const count = data[at++]!;
    if (count < 128) {
      if (at + count + 1 > data.length) throw early();
      const taken = Math.min(count + 1, length - to);
      out.set(data.subarray(at, at + taken), to);
      at += count + 1;
      to += taken;
    } else if (count > 128) {
      if (at >= data.length) throw early();
      const end = Math.min(length, to + 257 - count);
      out.fill(data[at++]!, to, end);
      to = end;
    }
  }
  return out;
}

const CLEAR = 256;
const END = 257;

/** Entries that libtiff's table of strings has, though no code means those behind 4095. */
const MAX_ENTRIES = 4095 + 1024;

/** LZW with the first bit highest and codes that grow one entry early. It begins with a clear code, as for libtiff. */
function decodeLzw(data: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  if (data[0] === 0 && (data[1] ?? 0) & 1)
    throw new DamagedImage('a TIFF with LZW of before 1988, which is not read');
  const out = new Uint8Array(length);
  // Where in `out` the string of a code begins, and how long it is.
  const start = new Int32Array(4096);
  const size = new Int32Array(4096);
  let next = 0;
  let entries = 0;
  let bitsPerCode = 9;
  let [at, bits, held, to] = [0, 0, 0, 0];
  let lastStart = -1;
  let lastSize = 0;
  while (to < length) {
    while (held < bitsPerCode) {
      if (at >= data.length) throw early();
      bits = ((bits << 8) | data[at++]!) & 0xffffff;
      held += 8;
    }
    held -= bitsPerCode;
    const code = (bits >> held) & ((1 << bitsPerCode) - 1);
    if (code === END) throw early();
    if (code === CLEAR) {
      next = 258;
      entries = 258;
      bitsPerCode = 9;
      lastStart = -1;
      continue;
    }
    if (next === 0 || code > next || (code >= 258 && lastStart < 0) || (code === next && lastStart < 0))
      throw damaged();
    const begin = to;
    if (code < 256) {
      out[to++] = code;
    } else {
      const known = code < next;
      const from = known ? start[code]! : lastStart;
      const count = known ? size[code]! : lastSize + 1;
      for (let i = 0; i < count && to < length; i++) out[to++] = out[from + i]!;
    }
    if (lastStart >= 0 && ++entries > MAX_ENTRIES) throw damaged();
    if (lastStart >= 0 && next < 4096) {
      start[next] = lastStart;
      size[next] = lastSize + 1;
      next++;
      if (next >= (1 << bitsPerCode) - 1 && bitsPerCode < 12) bitsPerCode++;
    }
    lastStart = begin;
    lastSize = code < 256 ? 1 : code < 258 ? 0 : to - begin;
  }
  return out;
}

/** Undoes horizontal differencing in rows of `rowBytes`, in place. */
export function undoDifferences(
  data: Uint8Array<ArrayBuffer>,
  rowBytes: number,
  samples: number,
  bits: number,
  littleEndian: boolean,
): void {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (let row = 0; row + rowBytes <= data.length; row += rowBytes) {
    if (bits === 8) {
      for (let i = row + samples; i < row + rowBytes; i++) data[i] = data[i]! + data[i - samples]!;
    } else if (bits === 16) {
      for (let i = row + 2 * samples; i < row + rowBytes; i += 2) {
        view.setUint16(
          i,
          view.getUint16(i, littleEndian) + view.getUint16(i - 2 * samples, littleEndian),
          littleEndian,
        );
      }
    } else {
      for (let i = row + 4 * samples; i < row + rowBytes; i += 4) {
        view.setUint32(
          i,
          view.getUint32(i, littleEndian) + view.getUint32(i - 4 * samples, littleEndian),
          littleEndian,
        );
      }
    }
  }
}

const REVERSED = Uint8Array.from({ length: 256 }, (_, byte) => {
  let out = 0;
  for (let bit = 0; bit < 8; bit++) out |= ((byte >> bit) & 1) << (7 - bit);
  return out;
});

/** A copy with the bits of each byte the other way round (FillOrder 2). */
export function reverseBits(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(data, (byte) => REVERSED[byte]!);
}
