/** Images as a Node program has them, for classify. */
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Sharp } from 'sharp';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { dropAlphaBytes } from '../image/dropAlpha.js';
import type { RgbImage } from '../image/types.js';
import { bytesOfDataUrl, isDataUrl } from '../models/dataUrl.js';
import { fetchFile, MAX_UNDECLARED } from '../models/fetchFile.js';
import { decodeImage, MAX_FILE_BYTES } from './decode.js';

/**
 * What classify takes in Node, beside pixels and tensors:
 * - a path, or a `file:`, `http:`, `https:` or `data:` address, as text or as a URL;
 * - the bytes of an image file: Uint8Array (Buffer), ArrayBuffer, Blob (File), a Response, a stream of Node or of the web;
 * - a sharp instance, whose pipeline gives the pixels.
 */
export type NodeImage =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  | Response
  | Sharp
  | NodeJS.ReadableStream
  | ReadableStream;

declare module '../models/classify.js' {
  interface PlatformImages {
    node: NodeImage;
  }
}

export const NODE_KINDS =
  'a path, a URL (file:, http:, https:, data:), the bytes of an image file (Uint8Array, ArrayBuffer, Blob, Response, stream), a sharp instance';

/** Where an image's pixels come from: a file, a file's bytes with what names them in errors, or pixels themselves. */
export type ImageSource =
  | { readonly file: string }
  | { readonly bytes: Uint8Array; readonly label?: string }
  | { readonly image: RgbImage };

/** Fetches and gathers one of NodeImage, undecoded; undefined for what is none. */
export function readNodeImage(input: unknown, signal?: AbortSignal): Promise<ImageSource> | undefined {
  if (typeof input === 'string') return readAddress(input, signal);
  if (isUrl(input)) return readAddress(input.href, signal);
  // Pixels that are bytes come as {data, width, height}; bytes alone are a file's.
  if (isBytes(input)) return Promise.resolve({ bytes: bytesOf(input) });
  if (input instanceof Blob) return readBlob(input);
  if (isResponse(input)) return readResponse(input);
  if (isSharp(input)) return decodeSharp(input).then((image) => ({ image }));
  if (isStream(input)) return readStream(input);
  return undefined;
}

/** The decoder that src/node adds to classify: undefined for what is none of NodeImage. */
export function decodeNodeImage(input: unknown, signal?: AbortSignal): Promise<RgbImage> | undefined {
  return readNodeImage(input, signal)?.then(decodeSource);
}

/** The pixels of a source. */
export async function decodeSource(source: ImageSource): Promise<RgbImage> {
  if ('image' in source) return source.image;
  return 'file' in source ? decodeImage(source.file) : decodeImage(source.bytes, source.label);
}

function isUrl(input: unknown): input is URL {
  return input instanceof URL;
}

function isBytes(input: unknown): input is Uint8Array | ArrayBuffer | SharedArrayBuffer {
  return (
    input instanceof Uint8Array ||
    input instanceof ArrayBuffer ||
    (typeof SharedArrayBuffer === 'function' && input instanceof SharedArrayBuffer)
  );
}

/** Without naming the class: Node reads its whole HTTP client when `Response` is first looked at, 25 ms. */
function isResponse(input: unknown): input is Response {
  return Object.prototype.toString.call(input) === '[object Response]' && 'bodyUsed' in (input as object);
}

function bytesOf(input: Uint8Array | ArrayBuffer | SharedArrayBuffer): Uint8Array {
  if (isDetached(input instanceof Uint8Array ? input.buffer : input)) {
    throw new UserError(
      'the bytes of an image were transferred to another thread and are not here any more; give a copy of them',
    );
  }
  return input instanceof Uint8Array ? input : new Uint8Array(input);
}

/** Whether a buffer's bytes were transferred; older engines tell only by refusing a view of them. */
function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

async function readAddress(address: string, signal: AbortSignal | undefined): Promise<ImageSource> {
  if (isDataUrl(address)) return { bytes: bytesOfDataUrl(address), label: 'the data: URL' };
  if (/^https?:\/\//i.test(address)) {
    return { bytes: await fetchFile(address, { maxBytes: MAX_UNDECLARED, signal }), label: address };
  }
  if (/^file:/i.test(address)) return { file: pathOf(address) };
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(address)) {
    throw new UserError(
      `${address.slice(0, 200)}: images are read from paths and file:, http:, https: and data: addresses`,
    );
  }
  return { file: address };
}

function pathOf(address: string): string {
  try {
    return fileURLToPath(address);
  } catch (error) {
    throw new UserError(`${address.slice(0, 200)}: is no file: address of this machine`, { cause: error });
  }
}

async function readBlob(blob: Blob): Promise<ImageSource> {
  const name = (blob as { name?: unknown }).name;
  const label = typeof name === 'string' && name !== '' ? name : 'image';
  if (blob.size > MAX_FILE_BYTES) throw tooLarge(label);
  return { bytes: new Uint8Array(await blob.arrayBuffer()), label };
}

async function readResponse(response: Response): Promise<ImageSource> {
  const label = response.url || 'the Response';
  if (!response.ok) throw new UserError(`${label}: the server answered ${response.status}`);
  if (!response.body) throw new UserError(`${label}: has no body`);
  if (response.bodyUsed) throw new UserError(`${label}: its body has been read already`);
  return readStream(response.body, label);
}

async function readStream(
  stream: NodeJS.ReadableStream | ReadableStream,
  label = 'the stream',
): Promise<ImageSource> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of stream as AsyncIterable<unknown>) {
      if (!isBytes(chunk)) {
        throw new UserError(`${label}: gives ${describeValue(chunk)}, expected bytes of an image file`);
      }
      const bytes = bytesOf(chunk);
      length += bytes.length;
      if (length > MAX_FILE_BYTES) throw tooLarge(label);
      chunks.push(bytes);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${label}: cannot be read (${(error as Error).message})`, { cause: error });
  }
  return { bytes: Buffer.concat(chunks, length), label };
}

function tooLarge(label: string): UserError {
  return new UserError(`${label}: more than ${MAX_FILE_BYTES} bytes; images of at most that are read`);
}

/** A sharp instance is a stream too, so it is looked for first. Another copy of sharp has another class. */
function isSharp(input: unknown): input is Sharp {
  const { raw, toBuffer, metadata } = (input ?? {}) as Partial<
    Record<'raw' | 'toBuffer' | 'metadata', unknown>
  >;
  return [raw, toBuffer, metadata].every((method) => typeof method === 'function');
}

/** The pixels that the pipeline gives, in sRGB, without alpha. */
async function decodeSharp(pipeline: Sharp): Promise<RgbImage> {
  try {
    const { data, info } = await pipeline
      .clone()
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels, pages = 1 } = info;
    if (pages > 1) {
      throw new UserError(
        `the sharp instance gives ${pages} images, one below the other; choose one of them: sharp(input, { page: 0 })`,
      );
    }
    return { data: rgbFromChannels(data, channels), width, height };
  } catch (error) {
    if (error instanceof UserError) throw error;
    const [reason] = (error as Error).message.split('\n');
    throw new UserError(`the sharp instance gives no pixels (${reason})`, { cause: error });
  }
}

function rgbFromChannels(data: Uint8Array, channels: number): Uint8Array {
  if (channels >= 3) return dropAlphaBytes(data, channels);
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let i = 0; i < rgb.length / 3; i++) rgb.fill(data[i * channels]!, 3 * i, 3 * i + 3);
  return rgb;
}

function isStream(input: unknown): input is NodeJS.ReadableStream | ReadableStream {
  if (input instanceof Readable) return true;
  const { pipe, getReader } = (input ?? {}) as { pipe?: unknown; getReader?: unknown };
  const iterates = typeof input === 'object' && input !== null && Symbol.asyncIterator in input;
  return iterates && (typeof pipe === 'function' || typeof getReader === 'function');
}
