/** Images as a Node program has them, for classify. */
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Sharp } from 'sharp';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import type { RgbImage } from '../image/types.js';
import { bytesOfDataUrl, isDataUrl } from '../models/dataUrl.js';
import { fetchFile, MAX_UNDECLARED } from '../models/fetchFile.js';
import { decodeImage, MAX_FILE_BYTES } from './decode.js';
import { rgbFrom8Bit } from './toRgb.js';

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

/** The decoder that src/node adds to classify: undefined for what is none of NodeImage. */
export function decodeNodeImage(input: unknown): Promise<RgbImage> | undefined {
  if (typeof input === 'string') return decodeAddress(input);
  if (isUrl(input)) return decodeAddress(input.href);
  // Pixels that are bytes come as {data, width, height}; bytes alone are a file's.
  if (isBytes(input)) return decodeImage(bytesOf(input));
  if (input instanceof Blob) return decodeBlob(input);
  if (input instanceof Response) return decodeResponse(input);
  if (isSharp(input)) return decodeSharp(input);
  if (isStream(input)) return decodeStream(input);
  return undefined;
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

function bytesOf(input: Uint8Array | ArrayBuffer | SharedArrayBuffer): Uint8Array {
  return input instanceof Uint8Array ? input : new Uint8Array(input);
}

async function decodeAddress(address: string): Promise<RgbImage> {
  if (isDataUrl(address)) return decodeImage(bytesOfDataUrl(address), 'the data: URL');
  if (/^https?:\/\//i.test(address)) {
    return decodeImage(await fetchFile(address, { maxBytes: MAX_UNDECLARED }), address);
  }
  if (/^file:/i.test(address)) return decodeImage(pathOf(address));
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(address)) {
    throw new UserError(
      `${address.slice(0, 200)}: images are read from paths and file:, http:, https: and data: addresses`,
    );
  }
  return decodeImage(address);
}

function pathOf(address: string): string {
  try {
    return fileURLToPath(address);
  } catch (error) {
    throw new UserError(`${address.slice(0, 200)}: is no file: address of this machine`, { cause: error });
  }
}

async function decodeBlob(blob: Blob): Promise<RgbImage> {
  const name = (blob as { name?: unknown }).name;
  const label = typeof name === 'string' && name !== '' ? name : 'image';
  if (blob.size > MAX_FILE_BYTES) throw tooLarge(label);
  return decodeImage(new Uint8Array(await blob.arrayBuffer()), label);
}

async function decodeResponse(response: Response): Promise<RgbImage> {
  const label = response.url || 'the Response';
  if (!response.ok) throw new UserError(`${label}: the server answered ${response.status}`);
  if (!response.body) throw new UserError(`${label}: has no body`);
  if (response.bodyUsed) throw new UserError(`${label}: its body has been read already`);
  return decodeStream(response.body, label);
}

async function decodeStream(
  stream: NodeJS.ReadableStream | ReadableStream,
  label = 'the stream',
): Promise<RgbImage> {
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
  return decodeImage(Buffer.concat(chunks, length), label);
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
    const { width, height, channels } = info;
    return { data: rgbFromChannels(data, channels), width, height };
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new UserError(`the sharp instance gives no pixels (${reason})`, { cause: error });
  }
}

function rgbFromChannels(data: Uint8Array, channels: number): Uint8Array {
  if (channels >= 3) return rgbFrom8Bit(data, channels);
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
