/**
 * Pixels of other kinds to 8-bit RGB, as Pillow's `convert('RGB')` turns them. All take interleaved samples and
 * give three bytes a pixel.
 */

/** RGB or RGBA of 16 bits: the high byte is kept. */
export function rgbFrom16Bit(data: Uint16Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0, o = 0, p = 0; i < pixels; i++, o += 3, p += channels) {
    rgb[o] = data[p]! >> 8;
    rgb[o + 1] = data[p + 1]! >> 8;
    rgb[o + 2] = data[p + 2]! >> 8;
  }
  return rgb;
}

/**
 * Grey of 16 bits. Pillow reads it as mode I;16, whose conversion clips at 255 and keeps nothing of the rest; with
 * alpha it reads the high bytes instead. Both are followed.
 */
export function rgbFromGrey16(data: Uint16Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const sample = data[i * channels]!;
    rgb.fill(channels === 1 ? Math.min(sample, 255) : sample >> 8, 3 * i, 3 * i + 3);
  }
  return rgb;
}
