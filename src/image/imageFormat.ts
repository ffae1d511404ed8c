/** What the first bytes of a file say that it is. */

/** Formats that are decoded. Pillow's `Image.open` reads them all, and each of them holds plain pixels. */
export type ImageFormat = 'JPEG' | 'PNG' | 'WebP' | 'GIF' | 'TIFF' | 'BMP' | 'PNM';

/** The formats' names in an error message. */
export const FORMAT_NAMES = 'JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM or PPM';

interface Signature {
  readonly name: string;
  /** The bytes from `offset` on, as Latin-1 text. */
  readonly magic: string;
  readonly offset?: number;
}

const images: readonly (Signature & { readonly name: ImageFormat })[] = [
  { name: 'JPEG', magic: '\xff\xd8\xff' },
  { name: 'PNG', magic: '\x89PNG\r\n\x1a\n' },
  { name: 'WebP', magic: 'WEBP', offset: 8 },
  { name: 'GIF', magic: 'GIF87a' },
  { name: 'GIF', magic: 'GIF89a' },
  { name: 'TIFF', magic: 'II*\0' },
  { name: 'TIFF', magic: 'MM\0*' },
  { name: 'TIFF', magic: 'II+\0' },
  { name: 'TIFF', magic: 'MM\0+' },
  { name: 'BMP', magic: 'BM' },
  ...['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'Pf'].flatMap((magic) =>
    [...' \t\n\v\f\r'].map((space) => ({ name: 'PNM' as const, magic: magic + space })),
  ),
];

/** Named only so that the error can say what a refused file is. */
const others: readonly Signature[] = [
  { name: 'a PAM image', magic: 'P7\n' },
  { name: 'a QOI image', magic: 'qoif' },
  { name: 'a DDS image', magic: 'DDS ' },
  { name: 'an icon (ICO)', magic: '\0\0\x01\0' },
  { name: 'an icon (ICNS)', magic: 'icns' },
  { name: 'a PDF document', magic: '%PDF' },
  ...['hei', 'hev', 'mif', 'msf', 'avi'].map((brand) => ({
    name: 'a HEIF or AVIF image',
    magic: `ftyp${brand}`,
    offset: 4,
  })),
  { name: 'a video (MP4, QuickTime)', magic: 'ftyp', offset: 4 },
  { name: 'a JPEG XL image', magic: '\xff\x0a' },
  { name: 'a JPEG XL image', magic: 'JXL ', offset: 4 },
  { name: 'a JPEG 2000 image', magic: 'jP  ', offset: 4 },
  { name: 'a Photoshop document', magic: '8BPS' },
  { name: 'a zip archive', magic: 'PK\x03\x04' },
  { name: 'a gzip file', magic: '\x1f\x8b' },
];

/** Bytes at the front of a file that are enough to tell its format. */
export const SIGNATURE_BYTES = 512;

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, SIGNATURE_BYTES));
}

/** The format of a file by its first bytes, or undefined if it is none that is decoded. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  const head = latin1(bytes);
  return images.find(({ magic, offset = 0 }) => head.startsWith(magic, offset))?.name;
}

/** What a file that is no image looks like, for an error message. */
export function describeOther(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  const head = latin1(bytes);
  const known = others.find(({ magic, offset = 0 }) => head.startsWith(magic, offset))?.name;
  if (known) return known;
  if (/<svg[\s>]/i.test(head)) return 'an SVG drawing';
  if (/^(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)/i.test(head)) return 'an HTML or XML document';
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0'));
  return `a file that begins with the bytes ${hex.join('')}`;
}

/**
 * Number of components in a JPEG's frame header (1 grey, 3 colour, 4 CMYK), or undefined if none is found. Read
 * here because asking the decoder for it costs a fifth of the decoding.
 */
export function jpegComponents(bytes: Uint8Array): number | undefined {
  const at = jpegFrame(bytes);
  return at === undefined ? undefined : bytes[at + 9];
}

/** Where a JPEG's frame header begins, or undefined if none is found. */
function jpegFrame(bytes: Uint8Array): number | undefined {
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++; // fill byte before a marker
      continue;
    }
    // SOF0…SOF15, less the three codes of that range that stand for something else: DHT, JPG, DAC.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return at;
    }
    at += 2 + bytes[at + 2]! * 256 + bytes[at + 3]!;
  }
  return undefined;
}

/** Where the letters `Exif` of each EXIF segment of a JPEG begin. */
export function jpegExif(bytes: Uint8Array): number[] {
  const found: number[] = [];
  const end = jpegFrame(bytes) ?? bytes.length;
  let at = 2;
  while (at + 10 < end && bytes[at] === 0xff) {
    if (bytes[at + 1] === 0xe1 && String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === 'Exif')
      found.push(at + 4);
    at += bytes[at + 1] === 0xff ? 1 : 2 + bytes[at + 2]! * 256 + bytes[at + 3]!;
  }
  return found;
}

/** Width and height of an image. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * The size that a JPEG's, PNG's, GIF's or WebP's header gives, from the bytes at the front of the file, or undefined
 * if it is another format or the header is not among them.
 */
export function imageSize(bytes: Uint8Array): ImageSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (imageFormat(bytes)) {
    case 'JPEG': {
      const at = jpegFrame(bytes);
      return at === undefined ? undefined : { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
    case 'PNG':
      return bytes.length < 24 ? undefined : { width: view.getUint32(16), height: view.getUint32(20) };
    case 'GIF':
      if (bytes.length < 10) return undefined;
      return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
    case 'WebP':
      return bytes.length < 30 ? undefined : webpSize(view);
    default:
      return undefined;
  }
}

/** By the WebP container specification: the first chunk is VP8X, VP8L or VP8, each with a header of its own. */
function webpSize(view: DataView): ImageSize | undefined {
  const chunk = String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + 12, 4));
  if (chunk === 'VP8X') {
    const side = (at: number) => 1 + view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
    return { width: side(24), height: side(27) };
  }
  if (chunk === 'VP8L') {
    const packed = view.getUint32(21, true);
    return { width: 1 + (packed & 0x3fff), height: 1 + ((packed >>> 14) & 0x3fff) };
  }
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}
