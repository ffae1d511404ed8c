/**
 * Interleaved pixels of 3 (RGB) or more bytes, of which the first three are kept: alpha is dropped, not blended, as
 * Pillow's convert('RGB') drops it. Pixels of 3 bytes are given back as they are.
 */
export function dropAlphaBytes(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0, o = 0, p = 0; i < pixels; i++, o += 3, p += channels) {
    rgb[o] = data[p]!;
    rgb[o + 1] = data[p + 1]!;
    rgb[o + 2] = data[p + 2]!;
  }
  return rgb;
}
