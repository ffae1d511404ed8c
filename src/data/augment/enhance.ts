import type { RgbImage } from '../../image/types.js';

/**
 * Pillow's ImageEnhance, byte for byte: a blend of the image with one that lacks the property. Factor 0 gives that
 * one, 1 the image itself, more than 1 goes beyond.
 */

const { fround, imul } = Math;

/** ImageEnhance.Brightness: against black. */
export function brightness(image: RgbImage, factor: number): RgbImage {
  return blend(constant(image, 0), image, factor);
}

/** ImageEnhance.Contrast: against the mean of the luma. */
export function contrast(image: RgbImage, factor: number): RgbImage {
  const levels = luma(image);
  const mean = levels.reduce((sum, level) => sum + level, 0) / levels.length;
  return blend(constant(image, Math.trunc(mean + 0.5)), image, factor);
}

/** ImageEnhance.Color: against the image in grey. */
export function color(image: RgbImage, factor: number): RgbImage {
  const grey = new Uint8Array(image.width * image.height * 3);
  const levels = luma(image);
  for (let i = 0, p = 0; i < levels.length; i++) {
    const level = levels[i]!;
    grey[p++] = level;
    grey[p++] = level;
    grey[p++] = level;
  }
  return blend({ ...image, data: grey }, image, factor);
}

/** ImageEnhance.Sharpness: against the smoothed image. */
export function sharpness(image: RgbImage, factor: number): RgbImage {
  return blend(smooth(image), image, factor);
}

function constant({ width, height }: RgbImage, level: number): RgbImage {
  return { data: new Uint8Array(width * height * 3).fill(level), width, height };
}

/** convert('L'): ITU-R 601 luma in 16-bit fixed point. */
function luma({ data, width, height }: RgbImage): Uint8Array {
  const levels = new Uint8Array(width * height);
  for (let i = 0, p = 0; i < levels.length; i++, p += 3) {
    levels[i] =
      (imul(data[p]!, 19595) + imul(data[p + 1]!, 38470) + imul(data[p + 2]!, 7471) + 0x8000) >>> 16;
  }
  return levels;
}

/** ImageFilter.SMOOTH: the 3 × 3 mean that counts the middle five times; the outermost pixels stay. */
function smooth({ data, width, height }: RgbImage): RgbImage {
  const out = data.slice(0, width * height * 3);
  const row = width * 3;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + 3; i < (y + 1) * row - 3; i++) {
      const above = data[i - row - 3]! + data[i - row]! + data[i - row + 3]!;
      const beside = data[i - 3]! + 5 * data[i]! + data[i + 3]!;
      const below = data[i + row - 3]! + data[i + row]! + data[i + row + 3]!;
      out[i] = Math.floor((above + beside + below) / 13 + 0.5);
    }
  }
  return { data: out, width, height };
}

/** Image.blend: from + factor · (to − from) in float32, its fraction cut off. */
function blend(from: RgbImage, to: RgbImage, factor: number): RgbImage {
  const alpha = fround(factor);
  const out = new Uint8Array(to.width * to.height * 3);
  for (let i = 0; i < out.length; i++) {
    const value = fround(from.data[i]! + fround(alpha * (to.data[i]! - from.data[i]!)));
    out[i] = value <= 0 ? 0 : value >= 255 ? 255 : value;
  }
  return { data: out, width: to.width, height: to.height };
}
