/** Images as a page or a web worker has them, for classify. */
import { UserError } from '../errors.js';
import type { RgbImage } from '../image/types.js';
import { bytesOfDataUrl, isDataUrl } from '../models/dataUrl.js';
import { fetchFile, MAX_UNDECLARED } from '../models/fetchFile.js';
import { type BrowserImageSource, decodeImageSource, sendableElement } from './decode.js';
import { explainBlocked } from './policy.js';

/**
 * What classify takes in a browser, beside pixels and tensors: an address (as text or URL; relative to the page), the
 * bytes of an image file (Uint8Array, ArrayBuffer, Blob, File, a Response), an element, a canvas, an ImageBitmap, a
 * VideoFrame.
 */
export type BrowserImage =
  | BrowserImageSource
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Response
  | VideoFrame;

declare module '../models/classify.js' {
  interface PlatformImages {
    browser: BrowserImage;
  }
}

export const BROWSER_KINDS =
  'an address (text or URL), the bytes of an image file (Uint8Array, ArrayBuffer, Blob, Response), an <img>, <canvas> or <video>, an ImageBitmap or VideoFrame';

/** The decoder that src/browser adds to classify: undefined for what is none of BrowserImage. */
export function decodeBrowserImage(input: unknown): Promise<RgbImage> | undefined {
  const blob = blobOf(input);
  if (blob) return blob.then((file) => decodeImageSource(file)!);
  if (isVideoFrame(input)) return decodeFrame(input);
  return decodeImageSource(input);
}

/** An image that only this thread can read, or must be fetched, as one that can be sent to a worker. */
export async function sendableImage(input: unknown): Promise<ImageBitmap | Blob | undefined> {
  const blob = await blobOf(input);
  if (blob) return blob;
  return isVideoFrame(input) ? bitmapOfFrame(input) : sendableElement(input);
}

/** What is the file's bytes, or says where they are, as a Blob; undefined for others, Blobs themselves among them. */
function blobOf(input: unknown): Promise<Blob> | undefined {
  if (typeof input === 'string' || input instanceof URL) return fetchBlob(String(input));
  if (input instanceof ArrayBuffer) return Promise.resolve(new Blob([input]));
  if (input instanceof Uint8Array) return Promise.resolve(new Blob([new Uint8Array(input)]));
  if (input instanceof Response) return blobOfResponse(input);
  return undefined;
}

async function fetchBlob(address: string): Promise<Blob> {
  if (isDataUrl(address)) return new File([bytesOfDataUrl(address)], 'the data: URL');
  const isHere = address.startsWith('blob:'); // of any size: it is in memory or on this disk
  const options = isHere ? {} : { maxBytes: MAX_UNDECLARED };
  const bytes = await explainBlocked(address, () => fetchFile(address, options));
  return new File([bytes], address);
}

async function blobOfResponse(response: Response): Promise<Blob> {
  const name = response.url || 'the Response';
  if (!response.ok) throw new UserError(`${name}: the server answered ${response.status}`);
  if (response.bodyUsed) throw new UserError(`${name}: its body has been read already`);
  return new File([await response.blob()], name);
}

function isVideoFrame(input: unknown): input is VideoFrame {
  return typeof VideoFrame === 'function' && input instanceof VideoFrame;
}

function bitmapOfFrame(frame: VideoFrame): Promise<ImageBitmap> {
  if (frame.format === null && frame.codedWidth === 0) throw new UserError('the VideoFrame has been closed');
  return createImageBitmap(frame);
}

async function decodeFrame(frame: VideoFrame): Promise<RgbImage> {
  const bitmap = await bitmapOfFrame(frame);
  try {
    return await decodeImageSource(bitmap)!;
  } finally {
    bitmap.close();
  }
}
