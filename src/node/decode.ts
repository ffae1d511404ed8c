import { open, readFile, stat } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { dropAlphaBytes } from '../image/dropAlpha.js';
import { decodeHere, rgbFromCmyk } from '../image/formats/index.js';
import {
  describeOther,
  FORMAT_NAMES,
  imageFormat,
  jpegComponents,
  SIGNATURE_BYTES,
} from '../image/imageFormat.js';
import type { RgbImage } from '../image/types.js';
import { shorten } from '../text.js';
import { withDeadline } from './deadline.js';

import { inflate } from './inflate.js';
import { loadSharp } from './sharp.js';
import { rgbFrom16Bit, rgbFromGrey16 } from './toRgb.js';

/**
 * Pixels of the largest image that is decoded: the size from which Pillow raises DecompressionBombError, twice
 * its MAX_IMAGE_PIXELS, so that what evaluates there evaluates here and a bomb costs at most 0.5 GB (3 bytes a
 * pixel).
 */
export const MAX_PIXELS = 178_956_970;

const TOO_MANY_PIXELS = `more than ${MAX_PIXELS} pixels, the most that are decoded; scale the image down`;

/** Longest side that is decoded, in pixels. No camera comes near; it bounds the resampler's tables of weights. */
const MAX_SIDE = 1_000_000;

/** Largest file that is read: room for MAX_PIXELS of uncompressed 16-bit RGB, and nothing beyond. */
export const MAX_FILE_BYTES = MAX_PIXELS * 6 + 2 ** 20;

/** Files above this are looked at before they are read whole. */
const LARGE_FILE_BYTES = 4 * 2 ** 20;

/** The kinds of samples that the decoder hands over. */
type PixelKind = 'rgb8' | 'rgb16' | 'grey16' | 'cmyk';

/** How long the reading of a file may take, in milliseconds: a file system that does not answer must not hold a run. */
const READ_MS = 60_000;

/**
 * The decoder on `bytes`, set to leave the pixels as the file has them: no colour profile applied, no turning by
 * EXIF (see decodePixels for TIFFs), first frame only. failOn 'error' refuses what is cut short and what cannot be decoded, and passes over
 * mere warnings (stray bytes between markers, as some of ImageNet's JPEGs have them), as Pillow does.
 */
async function decoder(bytes: Uint8Array): Promise<Sharp> {
  const sharp = await loadSharp();
  return sharp(bytes, {
    ignoreIcc: true,
    failOn: 'error',
    limitInputPixels: MAX_PIXELS,
    sequentialRead: true,
  });
}

/** The kind of samples in the file. Throws a UserError for a kind that has no conversion here. */
async function pixelKind(bytes: Uint8Array, name: string): Promise<PixelKind> {
  const components = imageFormat(bytes) === 'JPEG' ? jpegComponents(bytes) : undefined;
  if (components === 1 || components === 3) return 'rgb8';
  const { space, depth, width, height } = await (await decoder(bytes)).metadata();
  requireSize(width, height, name);
  if (space === 'cmyk' && depth === 'uchar') return 'cmyk';
  if ((space === 'srgb' || space === 'b-w') && depth === 'uchar') return 'rgb8';
  if (space === 'rgb16' && depth === 'ushort') return 'rgb16';
  if (space === 'grey16' && depth === 'ushort') return 'grey16';
  const wanted = 'expected grey, RGB or CMYK of 8 bits, or grey or RGB of 16';
  throw new UserError(
    `${name}: pixels of kind ${space} (${depth}) are not read; ${wanted}; convert the image`,
  );
}

function requireSize(width: number, height: number, name: string): void {
  if (width * height > MAX_PIXELS) throw new UserError(`${name}: ${TOO_MANY_PIXELS}`);
  if (Math.max(width, height) <= MAX_SIDE) return;
  throw new UserError(
    `${name}: ${width} × ${height} pixels; sides of at most ${MAX_SIDE} pixels are decoded`,
  );
}

async function decodePixels(bytes: Uint8Array, kind: PixelKind): Promise<RgbImage> {
  let pipeline = await decoder(bytes);
  // Pillow turns TIFFs by their orientation, and them alone.
  if (imageFormat(bytes) === 'TIFF') pipeline = pipeline.autoOrient();
  if (kind === 'cmyk') pipeline = pipeline.pipelineColourspace('cmyk').toColourspace('cmyk');
  if (kind === 'rgb16' || kind === 'grey16') pipeline = pipeline.toColourspace(kind);
  const depth = kind === 'rgb16' || kind === 'grey16' ? 'ushort' : 'uchar';
  const { data: raw, info } = await pipeline.raw({ depth }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return { data: toRgb(raw, channels, kind), width, height };
}

function toRgb(raw: Buffer, channels: number, kind: PixelKind): Uint8Array {
  const bytes = new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
  if (kind === 'cmyk') return rgbFromCmyk(bytes);
  if (kind === 'rgb8') return dropAlphaBytes(bytes, channels);
  const samples = new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2);
  return kind === 'rgb16' ? rgbFrom16Bit(samples, channels) : rgbFromGrey16(samples, channels);
}

function requireImage(head: Uint8Array, name: string): void {
  if (imageFormat(head)) return;
  const found = describeOther(head);
  throw new UserError(`${name}: not an image that can be read: expected ${FORMAT_NAMES}, found ${found}`);
}

/** The file's bytes. What is no regular file or too large is refused before it is read, what is large and no image too. */
async function readImage(path: string): Promise<Uint8Array> {
  const { size } = await regularFile(path);
  if (size > MAX_FILE_BYTES) {
    throw new UserError(`${path}: ${size} bytes; images of at most ${MAX_FILE_BYTES} bytes are read`);
  }
  if (size > LARGE_FILE_BYTES) requireImage(await readHead(path), path);
  // In one call: each step of a file handle costs a tenth of a millisecond, and a small image two to decode.
  return readFile(path);
}

async function readHead(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const head = new Uint8Array(SIGNATURE_BYTES);
    const { bytesRead } = await file.read(head, 0, SIGNATURE_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Opening a pipe or a device would wait for a writer, or read without end. */
async function regularFile(path: string): Promise<{ size: number }> {
  const found = await stat(path).catch((error) => {
    if (error.code !== 'ENAMETOOLONG') throw error;
    throw new UserError(
      `${shorten(path)}: longer than a path can be; an image’s bytes as base64 stand behind data:image/png;base64, or are given as bytes`,
    );
  });
  if (found.isDirectory()) throw new UserError(`${path}: is a folder, expected an image`);
  if (!found.isFile()) throw new UserError(`${path}: is not a regular file, expected an image`);
  return found;
}

/** Lines of the decoder that an error repeats, and characters of each. */
const MAX_COMPLAINTS = 3;
const MAX_COMPLAINT = 200;

/** What the file system's or the decoder's message says, in one line. */
function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'no permission to read it';
  if (code === 'ERR_INVALID_ARG_VALUE') return 'no path: it holds a character NUL';
  if (message.includes('exceeds pixel limit')) {
    return TOO_MANY_PIXELS;
  }
  const lines = message
    .replace(/Input buffer has corrupt header: ?/, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  // A damaged file can have hundreds of complaints; the last ones stand nearest to what ended it.
  const last = [...new Set(lines)].slice(-MAX_COMPLAINTS).map((line) => line.slice(0, MAX_COMPLAINT));
  return `cannot be decoded: ${last.join('; ') || 'its header is corrupt'}`;
}

/**
 * By the readers of src/image/formats where they are nearer to Pillow than sharp, and by sharp, which is the faster one,
 * for the others.
 */
async function decodeBytes(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<RgbImage> {
  const checkSize = (width: number, height: number) => requireSize(width, height, name);
  const image = await decodeHere(bytes, checkSize, inflate);
  return image ?? decodePixels(bytes, await pixelKind(bytes, name));
}

/**
 * The image in a file (a path) or in a file's bytes, as RGB, with the pixels of Pillow's
 * `Image.open(f).convert('RGB')`: colour profiles and EXIF orientation are ignored (a TIFF is turned, though), alpha
 * is dropped, 16-bit samples lose their low byte (grey ones are clipped at 255), CMYK is converted without a profile,
 * and of an animation the first frame is taken. Reads JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM, PPM and PFM, told by
 * their first bytes. What Pillow refuses is refused.
 *
 * Every failure is a UserError of one line that begins with the path, or with `name` for bytes.
 */
export async function decodeImage(input: string | Uint8Array, name?: string): Promise<RgbImage> {
  checkArguments('decodeImage', { name: ['maybeText', name] });
  const label = name ?? (typeof input === 'string' ? input : 'image');
  if (input === '') throw new UserError('the path of an image is an empty text');
  const late = () =>
    new UserError(
      `${label}: not read within ${READ_MS / 1000} s; check the disk or the file server that it is on`,
    );
  try {
    const read = typeof input === 'string' ? await withDeadline(readImage(input), READ_MS, late) : input;
    requireImage(read, label);
    return await decodeBytes(read as Uint8Array<ArrayBuffer>, label);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${label}: ${reason(error)}`, { cause: error });
  }
}
