import type { RgbImage } from '../../image/types.js';

/** Changes of levels one by one, equal to Pillow's ImageOps byte for byte. All leave the image that they get as it is. */

/** A table of levels for each channel. */
type Tables = readonly [red: Uint8Array, green: Uint8Array, blue: Uint8Array];

/** Every level put through the table of its channel. */
function throughTables({ data, width, height }: RgbImage, [red, green, blue]: Tables): RgbImage {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < out.length; i += 3) {
    out[i] = red[data[i]!]!;
    out[i + 1] = green[data[i + 1]!]!;
    out[i + 2] = blue[data[i + 2]!]!;
  }
  return { data: out, width, height };
}

function throughTable(image: RgbImage, all: Uint8Array): RgbImage {
  return throughTables(image, [all, all, all]);
}

/** A table of f's values, cut off at 0 and 255 as Pillow's Image.point does. */
function table(f: (level: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, level) => Math.max(0, Math.min(255, f(level))));
}

function histogram({ data, width, height }: RgbImage, channel: number): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = channel; i < width * height * 3; i += 3) counts[data[i]!]!++;
  return counts;
}

/** ImageOps.invert. */
export function invert(image: RgbImage): RgbImage {
  return throughTable(
    image,
    table((level) => 255 - level),
  );
}

/** ImageOps.solarize: levels from `threshold` on are inverted. */
export function solarize(image: RgbImage, threshold: number): RgbImage {
  return throughTable(
    image,
    table((level) => (level < threshold ? level : 255 - level)),
  );
}

/** Adds `add` to levels below 128 (solarize_add of timm and of TensorFlow's EfficientNet). */
export function solarizeAdd(image: RgbImage, add: number): RgbImage {
  return throughTable(
    image,
    table((level) => (level < 128 ? level + add : level)),
  );
}

/** ImageOps.posterize: only the `bits` highest bits of each level are kept; 8 and more keep all. */
export function posterize(image: RgbImage, bits: number): RgbImage {
  if (bits >= 8) return image;
  const mask = ~(2 ** (8 - bits) - 1);
  return throughTable(
    image,
    table((level) => level & mask),
  );
}

/** ImageOps.autocontrast: each channel stretched so that its levels reach from 0 to 255. */
export function autoContrast(image: RgbImage): RgbImage {
  const channel = (index: number) => stretching(histogram(image, index));
  return throughTables(image, [channel(0), channel(1), channel(2)]);
}

function stretching(counts: Uint32Array): Uint8Array {
  const low = counts.findIndex((count) => count > 0);
  const high = counts.findLastIndex((count) => count > 0);
  if (high <= low) return table((level) => level);
  const scale = 255 / (high - low);
  const offset = -low * scale;
  return table((level) => Math.trunc(level * scale + offset));
}

/** ImageOps.equalize: each channel's levels spread so that all are about as frequent. */
export function equalize(image: RgbImage): RgbImage {
  const channel = (index: number) => equalizing(histogram(image, index));
  return throughTables(image, [channel(0), channel(1), channel(2)]);
}

function equalizing(counts: Uint32Array): Uint8Array {
  const used = counts.filter((count) => count > 0);
  const sum = used.reduce((total, count) => total + count, 0);
  const step = used.length <= 1 ? 0 : Math.floor((sum - used.at(-1)!) / 255);
  if (step === 0) return table((level) => level);
  let n = Math.floor(step / 2);
  return table((level) => {
    const value = Math.floor(n / step);
    n += counts[level]!;
    return value;
  });
}
