import type { RgbImage } from '../image/types.js';

/** An 8-bit image of 3 (RGB) or 4 (RGBA, as ImageData) bytes a pixel; alpha is dropped, as PIL drops it. */
export interface PixelData {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** RGB or RGBA bytes → RGB bytes. */
export function dropAlpha({ data, width, height }: PixelData): RgbImage {
  const pixels = width * height;
  if (data.length === 3 * pixels) {
    return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), width, height };
  }
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    rgb[3 * i] = data[4 * i];
    rgb[3 * i + 1] = data[4 * i + 1];
    rgb[3 * i + 2] = data[4 * i + 2];
  }
  return { data: rgb, width, height };
}
