/** Images as a page has them → the pixels that Pillow reads from the same file, as far as the browser gives them. */
import { checkArguments } from '../checkArguments.js';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { DamagedImage } from '../image/formats/damaged.js';
import { describeOther, FORMAT_NAMES, imageFormat, imageSize, jpegExif } from '../image/imageFormat.js';
import type { RgbImage } from '../image/types.js';
import { inflate } from './inflate.js';
import { readFrame } from './readFrame.js';
import { readBitmap, TransparentImage } from './readPixels.js';

/** Kinds of image that classify takes in a browser, beside pixels and tensors. */
export type BrowserImageSource =
  | Blob
  | ImageBitmap
  | OffscreenCanvas
  | HTMLImageElement
  | HTMLCanvasElement
  | HTMLVideoElement;

/**
 * Pixels of the largest image that is decoded. The browser's own copy takes 4 bytes a pixel and the result 3, so
 * that the largest costs 0.5 GB; a tab is not given much more.
 */
export const MAX_PIXELS = 2 ** 26;

/**
 * Leave the pixels as the file has them: no colour profile, no EXIF turn (which not every browser lets one switch off),
 * colours not multiplied by alpha.
 */
const AS_STORED: ImageBitmapOptions = {
  colorSpaceConversion: 'none',
  imageOrientation: 'none',
  premultiplyAlpha: 'none',
} as ImageBitmapOptions; // TypeScript's DOM types lack 'none' for imageOrientation

/** Enough of a file for its header to be in it, also behind a large EXIF or colour profile. */
const HEADER_BYTES = 2 ** 20;

/**
 * The pixels that a model sees of an image.
 *
 * @throws UserError if it cannot be read, or is larger than MAX_PIXELS
 */
export async function decodeImage(image: BrowserImageSource): Promise<RgbImage> {
  const decoded = decodeImageSource(image);
  if (decoded) return decoded;
  throw new UserError(
    `expected a Blob, an ImageBitmap, an <img>, a <canvas> or a <video>, got ${describeValue(image)}`,
  );
}

/** The decoder that src/browser adds to classify: undefined for what is no image of the browser's. */
export function decodeImageSource(input: unknown): Promise<RgbImage> | undefined {
  if (input instanceof Blob) return decodeBlob(input);
  if (isA(input, 'ImageBitmap') || isA(input, 'OffscreenCanvas') || isA(input, 'HTMLCanvasElement')) {
    return decodeDrawable(input as ImageBitmap);
  }
  if (isA(input, 'HTMLImageElement')) return decodeElement(input as HTMLImageElement);
  if (isA(input, 'HTMLVideoElement')) return decodeVideo(input as HTMLVideoElement);
  return undefined;
}

/** An image that only a page can read (an element, a canvas) as a bitmap to be sent to a worker; undefined for others. */
export async function sendableElement(input: unknown): Promise<ImageBitmap | undefined> {
  if (isA(input, 'HTMLImageElement')) return bitmapOfElement(input as HTMLImageElement);
  if (isA(input, 'HTMLVideoElement')) return bitmapOfVideo(input as HTMLVideoElement);
  if (!isA(input, 'OffscreenCanvas') && !isA(input, 'HTMLCanvasElement')) return undefined;
  const canvas = input as HTMLCanvasElement | OffscreenCanvas;
  checkDrawable(canvas);
  return createImageBitmap(canvas, AS_STORED);
}

/** Whether a value is of a class that this page or worker has. */
function isA(value: unknown, className: string): boolean {
  const wanted = (globalThis as Record<string, unknown>)[className];
  return typeof wanted === 'function' && value instanceof wanted;
}

/**
 * The image in a file's bytes, with Pillow's pixels: of PNG, GIF, BMP, PNM and most TIFFs by own readers, of JPEG and
 * WebP by the browser, whose CMYK is off by at most one level. What else the browser reads (AVIF) gives its pixels.
 */
async function decodeBlob(blob: Blob): Promise<RgbImage> {
  const name = nameOfBlob(blob);
  const image = await decodeOwn(blob, name);
  if (image) return image;
  const bitmap = await browserBitmap(blob);
  try {
    return await readAndClose(bitmap, name);
  } catch (error) {
    const frame =
      error instanceof TransparentImage
        ? await readFrame(blob, 'image/webp').catch(() => undefined)
        : undefined;
    if (frame) return frame;
    throw error;
  }
}

/** By the readers that Node has too; undefined for what the browser decodes. */
async function decodeOwn(blob: Blob, name: string): Promise<RgbImage | undefined> {
  const head = new Uint8Array(await blob.slice(0, HEADER_BYTES).arrayBuffer());
  const format = imageFormat(head);
  if (!format || format === 'WebP') return undefined;
  const size = imageSize(head);
  if (size) checkSize(size.width, size.height, name);
  const bytes = blob.size <= head.length ? head : new Uint8Array(await blob.arrayBuffer());
  // A page that takes images from a camera or a canvas alone does not fetch the readers.
  const { decodeHere } = await import('../image/formats/decode.js');
  try {
    return await decodeHere(bytes, (width, height) => checkSize(width, height, name), inflate);
  } catch (error) {
    if (!(error instanceof DamagedImage)) throw error;
    throw new UserError(`${name}: cannot be decoded: ${error.message}`, { cause: error });
  }
}

/**
 * The image in a file's bytes as a bitmap, as the model will see it: not turned by EXIF, without its colour profile and
 * its alpha.
 *
 * @throws UserError if it is no image, damaged, or has more than MAX_PIXELS
 */
export async function imageBitmap(blob: Blob): Promise<ImageBitmap> {
  checkArguments('imageBitmap', { blob: ['blob', blob] });
  const image = await decodeOwn(blob, nameOfBlob(blob));
  return image ? createImageBitmap(opaque(image)) : browserBitmap(blob);
}

function opaque({ data, width, height }: RgbImage): ImageData {
  const pixels = new ImageData(width, height);
  for (let i = 0, p = 0; i < pixels.data.length; i += 4, p += 3) {
    pixels.data[i] = data[p]!;
    pixels.data[i + 1] = data[p + 1]!;
    pixels.data[i + 2] = data[p + 2]!;
    pixels.data[i + 3] = 255;
  }
  return pixels;
}

/** The bitmap that the browser's decoder gives. */
async function browserBitmap(blob: Blob): Promise<ImageBitmap> {
  const name = nameOfBlob(blob);
  const head = new Uint8Array(await blob.slice(0, HEADER_BYTES).arrayBuffer());
  const size = imageSize(head);
  if (size) checkSize(size.width, size.height, name);
  const file = withoutExif(blob, head);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, AS_STORED);
    checkSize(bitmap.width, bitmap.height, name);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${name}: ${unreadable(head)}`, { cause: error });
  }
  return bitmap;
}

function nameOfBlob(blob: Blob): string {
  return blob instanceof File ? blob.name : 'image';
}

/** A JPEG without EXIF, by which some browsers turn it whatever they are told. */
function withoutExif(blob: Blob, head: Uint8Array): Blob {
  if (imageFormat(head) !== 'JPEG') return blob;
  return jpegExif(head).reduce((file, at) => new Blob([file.slice(0, at), 'none', file.slice(at + 4)]), blob);
}

function unreadable(head: Uint8Array): string {
  const format = imageFormat(head);
  if (format === 'TIFF')
    return 'a TIFF with JPEG or fax compression, which browsers do not read; save it as PNG';
  if (format) return `a ${format} that cannot be decoded: the file is damaged or cut short`;
  return `not an image that this browser reads: expected ${FORMAT_NAMES}, found ${describeOther(head)}`;
}

async function decodeElement(image: HTMLImageElement): Promise<RgbImage> {
  return readAndClose(await bitmapOfElement(image), nameOf(image));
}

function nameOf({ currentSrc, src }: HTMLImageElement): string {
  const address = currentSrc || src;
  return address === '' || /^(data|blob):/.test(address) ? 'image' : address;
}

async function bitmapOfElement(image: HTMLImageElement): Promise<ImageBitmap> {
  const name = nameOf(image);
  try {
    await image.decode();
  } catch (error) {
    throw new UserError(`${name}: the <img> has no image that could be loaded`, { cause: error });
  }
  checkSize(image.naturalWidth, image.naturalHeight, name);
  return createImageBitmap(image, AS_STORED);
}

async function decodeVideo(video: HTMLVideoElement): Promise<RgbImage> {
  return readAndClose(await bitmapOfVideo(video), 'video');
}

async function bitmapOfVideo(video: HTMLVideoElement): Promise<ImageBitmap> {
  if (video.readyState < video.HAVE_CURRENT_DATA) {
    throw new UserError('the <video> has no frame yet; wait for its "loadeddata" event');
  }
  checkSize(video.videoWidth, video.videoHeight, 'video');
  return createImageBitmap(video, AS_STORED);
}

async function decodeDrawable(source: ImageBitmap | HTMLCanvasElement | OffscreenCanvas): Promise<RgbImage> {
  checkDrawable(source);
  return readBitmap(source, 'image');
}

/** Throws a UserError for a bitmap or a canvas without pixels, a bitmap that was closed among them, or with too many. */
export function checkDrawable({ width, height }: { width: number; height: number }): void {
  if (width === 0 || height === 0) {
    throw new UserError(`the image has ${width} × ${height} pixels; expected at least one`);
  }
  checkSize(width, height, 'image');
}

async function readAndClose(bitmap: ImageBitmap, name: string): Promise<RgbImage> {
  try {
    checkSize(bitmap.width, bitmap.height, name);
    return readBitmap(bitmap, name);
  } finally {
    bitmap.close();
  }
}

function checkSize(width: number, height: number, name: string): void {
  if (width * height <= MAX_PIXELS) return;
  const megapixels = (pixels: number) => `${Math.round(pixels / 1e6)} megapixels`;
  throw new UserError(
    `${name}: ${width} × ${height} is ${megapixels(width * height)}; at most ${megapixels(MAX_PIXELS)} are read in a browser; scale the image down`,
  );
}
