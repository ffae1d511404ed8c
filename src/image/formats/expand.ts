/**
 * Samples of other kinds to 8-bit RGB, as Pillow's `convert('RGB')` turns them. All take samples of pixels that follow
 * one another and write three bytes a pixel.
 */

/** The RGB of each index, as 768 bytes; what the palette lacks is black. */
export function paletteOf(
  colors: Uint8Array,
  bytesPerColor = 3,
  order: readonly [number, number, number] = [0, 1, 2],
): Uint8Array {
  const palette = new Uint8Array(768);
  const count = Math.min(256, Math.floor(colors.length / bytesPerColor));
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < 3; channel++)
      palette[3 * i + channel] = colors[bytesPerColor * i + order[channel]!]!;
  }
  return palette;
}

/** Grey levels as a palette of `count` entries that rise from 0 to 255. */
export function greyRamp(count: number): Uint8Array {
  const palette = new Uint8Array(768);
  for (let i = 0; i < count; i++) palette.fill(Math.floor((255 * i) / (count - 1)), 3 * i, 3 * i + 3);
  return palette;
}

/** Indices of one byte each through a palette. */
export function rgbOfIndices(indices: Uint8Array, palette: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(indices.length * 3);
  for (let i = 0, o = 0; i < indices.length; i++, o += 3) {
    const p = indices[i]! * 3;
    rgb[o] = palette[p]!;
    rgb[o + 1] = palette[p + 1]!;
    rgb[o + 2] = palette[p + 2]!;
  }
  return rgb;
}

/** A row of samples of 1, 2, 4 or 8 bits, first ones in the high bits, as one byte each. */
export function unpackBits(row: Uint8Array, bits: number, out: Uint8Array, at: number, count: number): void {
  if (bits === 8) {
    out.set(row.subarray(0, count), at);
    return;
  }
  const mask = (1 << bits) - 1;
  for (let x = 0; x < count; x++) {
    const bit = x * bits;
    out[at + x] = (row[bit >> 3]! >> (8 - bits - (bit & 7))) & mask;
  }
}

/** Levels that Pillow keeps in more than 8 bits: what is above 255 is white, what is below 0 black; fractions are cut. */
export function clipped(level: number): number {
  return level >= 255 ? 255 : level > 0 ? Math.floor(level) : 0;
}
