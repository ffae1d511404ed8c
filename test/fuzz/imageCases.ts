import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { joinBytes } from '../converters/formats/builders.js';
import { mutated } from './mutate.js';

const FOLDER = 'test/fixtures/images';

/** Mutations of real images of every format and kind of pixels; the same seed gives the same cases. */
export function imageCases(): fc.Arbitrary<Uint8Array> {
  const corpus = readdirSync(FOLDER).map((name) => new Uint8Array(readFileSync(join(FOLDER, name))));
  return mutated(fc.constantFrom(...corpus), corpus);
}

/** Files of few bytes that ask for much, and files that are no images, each with a name. */
export const IMAGE_BOMBS: readonly (readonly [string, () => Uint8Array])[] = [
  ['PNG of 13,000 × 13,000 one-bit pixels', () => blankPng(13_000, 13_000)],
  ['PNG of 60,000 × 60,000 one-bit pixels', () => blankPng(60_000, 60_000)],
  ['PNG that says 2³¹ − 1 pixels a side', () => blankPng(2 ** 31 - 1, 2 ** 31 - 1, 1000)],
  ['PNG of 1,000,000 × 1 pixels', () => blankPng(1_000_000, 1)],
  ['PNG of 1 × 1,000,000 pixels', () => blankPng(1, 1_000_000)],
  ['JPEG that says 65,535 × 65,535 pixels', () => sizedJpeg(65_535, 65_535)],
  ['JPEG that says 12,000 × 12,000 pixels', () => sizedJpeg(12_000, 12_000)],
  [
    'SVG of a million rectangles',
    () => text(`<svg xmlns="x">${'<rect width="9" height="9"/>'.repeat(1e6)}</svg>`),
  ],
  ['SVG that includes a file', () => text('<svg><image href="file:///etc/passwd"/></svg>')],
  ['PDF', () => text('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj')],
  ['nothing', () => new Uint8Array()],
  ['ten megabytes of zeros', () => new Uint8Array(1e7)],
  ['a JPEG behind ten megabytes of zeros', () => joinBytes(new Uint8Array(1e7), fixture('photo.jpg'))],
  ['a thousand JPEGs one after another', () => joinBytes(...Array(1000).fill(fixture('photo.jpg')))],
];

function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(FOLDER, name)));
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

/** A PNG of zeros, one bit a pixel; with fewer rows of data than it says if `rows` is given. */
function blankPng(width: number, height: number, rows = height): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const rowBytes = Math.min(1 + Math.ceil(width / 8), 2 ** 20);
  const data = deflateSync(Buffer.alloc(Math.min(rowBytes * rows, 2 ** 29)), { level: 1 });
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return joinBytes(signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0)));
}

function chunk(type: string, data: Buffer): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return new Uint8Array(frame);
}

/** CRC-32 of PNG and zip (Node 20 has none of its own). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A real JPEG whose frame header says another size. */
function sizedJpeg(width: number, height: number): Uint8Array {
  const bytes = fixture('photo.jpg');
  const view = new DataView(bytes.buffer);
  const frame = bytes.findIndex(
    (byte, i) => byte === 0xff && /^c[0-2]$/.test((bytes[i + 1] ?? 0).toString(16)),
  );
  view.setUint16(frame + 5, height);
  view.setUint16(frame + 7, width);
  return bytes;
}
