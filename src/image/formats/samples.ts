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
