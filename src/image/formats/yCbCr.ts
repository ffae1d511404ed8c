/** YCbCr of 8 bits to RGB, in the two ways in which Pillow meets it in a TIFF. */

/** Writes a pixel's R, G and B to `rgb`, from `at` on. */
export type YCbCrToRgb = (y: number, cb: number, cr: number, rgb: Uint8ClampedArray, at: number) => void;

const SCALE = 6;
/** A table of ConvertYCbCr.c, whose entries were cut after half was added. */
const fixed = (factor: number) =>
  Int32Array.from({ length: 256 }, (_, level) => Math.trunc(factor * (level - 128) * 2 ** SCALE + 0.5));

/** Pillow's own ConvertYCbCr.c, in 6 bits behind the point. */
export function pillowYCbCr(): YCbCrToRgb {
  const [redOfCr, greenOfCb, greenOfCr, blueOfCb] = [
    fixed(1.402),
    fixed(-0.34414),
    fixed(-0.71414),
    fixed(1.772),
  ];
  return (y, cb, cr, rgb, at) => {
    rgb[at] = y + (redOfCr[cr]! >> SCALE);
    rgb[at + 1] = y + ((greenOfCb[cb]! + greenOfCr[cr]!) >> SCALE);
    rgb[at + 2] = y + (blueOfCb[cb]! >> SCALE);
  };
}

const SHIFT = 16;
const HALF = 1 << (SHIFT - 1);
const { fround } = Math;

/** libtiff's tif_color.c, with the file's coefficients and reference levels, in single precision as there. */
export function libtiffYCbCr(luma: readonly number[], reference: readonly number[]): YCbCrToRgb {
  const [red, green, blue] = luma.map(fround) as [number, number, number];
  const fix = (factor: number) => Math.trunc(Math.min(2, Math.max(0, factor)) * 2 ** SHIFT + 0.5);
  const f1 = fround(2 - fround(2 * red));
  const f3 = fround(2 - fround(2 * blue));
  const d1 = fix(f1);
  const d2 = -fix(fround(fround(red * f1) / green));
  const d3 = fix(f3);
  const d4 = -fix(fround(fround(blue * f3) / green));
  const level = (code: number, black: number, white: number, range: number) => {
    const span = fround(white - black);
    const value = fround(fround((code - Math.trunc(black)) * range) / (span === 0 ? 1 : span));
    return Math.trunc(Math.min(4096, Math.max(-4096, value)));
  };
  const table = (entry: (i: number) => number) => Int32Array.from({ length: 256 }, (_, i) => entry(i));
  const [y0, y1, b0, b1, r0, r1] = reference as [number, number, number, number, number, number];
  const cr = (i: number) => level(i - 128, r0 - 128, r1 - 128, 127);
  const cb = (i: number) => level(i - 128, b0 - 128, b1 - 128, 127);
  const luminance = table((i) => level(i, y0, y1, 255));
  const redOfCr = table((i) => (d1 * cr(i) + HALF) >> SHIFT);
  const blueOfCb = table((i) => (d3 * cb(i) + HALF) >> SHIFT);
  const greenOfCr = table((i) => d2 * cr(i));
  const greenOfCb = table((i) => d4 * cb(i) + HALF);
  return (y, b, r, rgb, at) => {
    const light = luminance[y]!;
    rgb[at] = light + redOfCr[r]!;
    rgb[at + 1] = light + ((greenOfCb[b]! + greenOfCr[r]!) >> SHIFT);
    rgb[at + 2] = light + blueOfCb[b]!;
  };
}
