import { dropAlphaBytes } from '../image/dropAlpha.js';
import type { RgbImage } from '../image/types.js';

/** An 8-bit image of 3 (RGB) or 4 (RGBA, as ImageData) bytes a pixel; alpha is dropped, as PIL drops it. */
export interface PixelData {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** RGB or RGBA bytes → RGB bytes. */
export function dropAlpha({ data, width, height }: PixelData): RgbImage {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { data: dropAlphaBytes(bytes, data.length / (width * height)), width, height };
}
