/**
 * Samples of whole images to 8-bit RGB, as Pillow's `convert('RGB')` turns them. All take interleaved samples and
 * give three bytes a pixel.
 */
import { clipped } from './expand.js';

/** Grey of 32 bits, Pillow's modes I and F: clipped to 0 to 255, fractions cut. */
export function rgbFromGreyFloat(samples: ArrayLike<number>): Uint8Array {
  const rgb = new Uint8Array(samples.length * 3);
  for (let i = 0; i < samples.length; i++) rgb.fill(clipped(samples[i]!), 3 * i, 3 * i + 3);
  return rgb;
}

/** CMYK of 8 bits, without colour profiles: each of R, G, B is (255 - K) less its ink's share of that. */
export function rgbFromCmyk(data: Uint8Array): Uint8Array {
  const pixels = data.length / 4;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const light = 255 - data[4 * i + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      // light · ink / 255, rounded, in Pillow's integer form
      const product = light * data[4 * i + channel]! + 128;
      rgb[3 * i + channel] = light - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/** RGBA or BGRA of 8 bits; alpha is dropped, not blended. */
export function rgbOfRgba(data: Uint8Array, blueFirst: boolean): Uint8Array {
  const rgb = new Uint8Array((data.length / 4) * 3);
  const [red, blue] = blueFirst ? [2, 0] : [0, 2];
  for (let p = 0, o = 0; p < data.length; p += 4, o += 3) {
    rgb[o] = data[p + red]!;
    rgb[o + 1] = data[p + 1]!;
    rgb[o + 2] = data[p + blue]!;
  }
  return rgb;
}
