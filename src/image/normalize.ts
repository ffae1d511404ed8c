import type { RgbImage } from './types.js';

/** The 256 normalised levels of one channel, rounded to float32 after each step as PyTorch rounds them. */
function normalizedLevels(mean: number, std: number, rescaleFactor: number | undefined): Float32Array {
  const levels = new Float32Array(256);
  for (let level = 0; level < 256; level++) {
    const scaled = rescaleFactor === undefined ? level / 255 : level * rescaleFactor;
    const centered = Math.fround(Math.fround(scaled) - Math.fround(mean));
    levels[level] = centered / Math.fround(std);
  }
  return levels;
}

/**
 * (level / 255 - mean) / std for each channel: float32 [H, W, 3] with the bits of torchvision's ToTensor and
 * Normalize. Written to `out`, if given, which must hold H·W·3 numbers. With a rescale factor levels are multiplied by
 * it in place of the division (Hugging Face's rescale, in double precision).
 */
export function normalize(
  image: RgbImage,
  mean: readonly [number, number, number],
  std: readonly [number, number, number],
  out: Float32Array<ArrayBuffer> = new Float32Array(image.width * image.height * 3),
  rescaleFactor?: number,
): Float32Array<ArrayBuffer> {
  const { data } = image;
  const length = image.width * image.height * 3;
  if (out.length !== length) throw new RangeError(`out holds ${out.length} numbers, expected ${length}`);
  const red = normalizedLevels(mean[0], std[0], rescaleFactor);
  const green = normalizedLevels(mean[1], std[1], rescaleFactor);
  const blue = normalizedLevels(mean[2], std[2], rescaleFactor);
  for (let i = 0; i < length; i += 3) {
    out[i] = red[data[i]!]!;
    out[i + 1] = green[data[i + 1]!]!;
    out[i + 2] = blue[data[i + 2]!]!;
  }
  return out;
}
