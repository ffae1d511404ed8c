import { centerCropWindow, padTo, type Window } from './crop.js';
import type { RgbImage } from './types.js';

/**
 * Pillow's bicubic resize of 8-bit pictures, equal to it byte for byte (the arithmetic of its
 * src/libImaging/Resample.c): antialiased, two passes with fixed-point weights, and rounding to 8 bits between
 * them. A pass is skipped where the size does not change.
 */

// Bound once: looking `Math` up for each product is slow where the global object is a proxy, as in jest.
const { imul } = Math;

/** Bits behind the point of a weight: 32 less 8 for the levels and 2 for the overshoot of negative lobes. */
const PRECISION_BITS = 32 - 8 - 2;
const ONE_HALF = 1 << (PRECISION_BITS - 1);

/** Half the width of the bicubic kernel, in input pixels when enlarging. */
const BICUBIC_SUPPORT = 2;

/** Keys' cubic convolution kernel with a = -0.5. */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** For each output position the first input position, the number of inputs and their fixed-point weights. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `stride` weights for each output position, of which the first `count` are used. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/** The taps of output positions `from` to `from + length` of a line of `inSize` resized to `outSize`. */
function bicubicTaps(inSize: number, outSize: number, from: number, length: number): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(1, scale);
  const support = BICUBIC_SUPPORT * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const inverse = 1 / filterScale;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < length; i++) {
    const center = (from + i + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(center - support + 0.5));
    const taps = Math.min(inSize, Math.trunc(center + support + 0.5)) - begin;
    let sum = 0;
    for (let t = 0; t < taps; t++) {
      exact[t] = bicubic((t + begin - center + 0.5) * inverse);
      sum += exact[t]!;
    }
    for (let t = 0; t < taps; t++) {
      const weight = (sum === 0 ? exact[t]! : exact[t]! / sum) * (1 << PRECISION_BITS);
      weights[i * stride + t] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    first[i] = begin;
    count[i] = taps;
  }
  return { first, count, weights, stride };
}

/** Rows of interleaved RGB inside a larger array. */
interface Rows {
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Index of the first byte used. */
  readonly offset: number;
  /** Bytes from one row to the next. */
  readonly rowBytes: number;
}

/** Resamples `height` rows along x. `firstColumn` is the column of the picture that `source` begins with. */
function horizontalPass(source: Rows, firstColumn: number, height: number, taps: Taps): Rows {
  const { first, count, weights, stride } = taps;
  const { data } = source;
  const width = first.length;
  // A clamped array rounds nothing here (it is given integers) and clips to 0…255 faster than comparisons do.
  const out = new Uint8ClampedArray(width * height * 3);
  let o = 0;
  for (let y = 0; y < height; y++) {
    const row = source.offset + y * source.rowBytes;
    for (let x = 0; x < width; x++) {
      let red = ONE_HALF;
      let green = ONE_HALF;
      let blue = ONE_HALF;
      let p = row + (first[x]! - firstColumn) * 3;
      const begin = x * stride;
      const end = begin + count[x]!;
      for (let w = begin; w < end; w++) {
        const weight = weights[w]!;
        red = (red + imul(data[p]!, weight)) | 0;
        green = (green + imul(data[p + 1]!, weight)) | 0;
        blue = (blue + imul(data[p + 2]!, weight)) | 0;
        p += 3;
      }
      out[o] = red >> PRECISION_BITS;
      out[o + 1] = green >> PRECISION_BITS;
      out[o + 2] = blue >> PRECISION_BITS;
      o += 3;
    }
  }
  return { data: out, offset: 0, rowBytes: width * 3 };
}

/** Resamples rows of `width` pixels along y. `firstRow` is the row of the picture that `source` begins with. */
function verticalPass(source: Rows, firstRow: number, width: number, taps: Taps): Rows {
  const { first, count, weights, stride } = taps;
  const { data, rowBytes } = source;
  const height = first.length;
  const outBytes = width * 3;
  const out = new Uint8ClampedArray(outBytes * height);
  for (let y = 0; y < height; y++) {
    const top = source.offset + (first[y]! - firstRow) * rowBytes;
    const begin = y * stride;
    const end = begin + count[y]!;
    const o = y * outBytes;
    let x = 0;
    // Four columns at a time: a weight is then loaded once for four products.
    for (; x <= outBytes - 4; x += 4) {
      let sum0 = ONE_HALF;
      let sum1 = ONE_HALF;
      let sum2 = ONE_HALF;
      let sum3 = ONE_HALF;
      let p = top + x;
      for (let w = begin; w < end; w++) {
        const weight = weights[w]!;
        sum0 = (sum0 + imul(data[p]!, weight)) | 0;
        sum1 = (sum1 + imul(data[p + 1]!, weight)) | 0;
        sum2 = (sum2 + imul(data[p + 2]!, weight)) | 0;
        sum3 = (sum3 + imul(data[p + 3]!, weight)) | 0;
        p += rowBytes;
      }
      out[o + x] = sum0 >> PRECISION_BITS;
      out[o + x + 1] = sum1 >> PRECISION_BITS;
      out[o + x + 2] = sum2 >> PRECISION_BITS;
      out[o + x + 3] = sum3 >> PRECISION_BITS;
    }
    for (; x < outBytes; x++) {
      let sum = ONE_HALF;
      let p = top + x;
      for (let w = begin; w < end; w++) {
        sum = (sum + imul(data[p]!, weights[w]!)) | 0;
        p += rowBytes;
      }
      out[o + x] = sum >> PRECISION_BITS;
    }
  }
  return { data: out, offset: 0, rowBytes: outBytes };
}

function requireSize(width: number, height: number): void {
  if (!Number.isSafeInteger(width) || !Number.isSafeInteger(height) || width < 1 || height < 1) {
    throw new RangeError(`cannot resize to ${width} × ${height} pixels: both must be whole and at least 1`);
  }
}

/**
 * Whether the vertical pass runs first. The order shows in the bytes, by a level here and there. Pillow 13 takes it
 * from the pixels that each side loses; Pillow 12 and before run the horizontal pass first always, which differs
 * only for pictures more than about twice as high as wide.
 */
function verticalFirst(image: RgbImage, width: number, height: number): boolean {
  const lostRows = image.height - height;
  return lostRows > 0 && lostRows > 2 * (image.width - width);
}

/** First and one past the last input position that the taps read. */
function inputRange({ first, count }: Taps): [begin: number, end: number] {
  const last = first.length - 1;
  return [first[0]!, first[last]! + count[last]!];
}

/** Part `window` of the picture resized to width × height; nothing outside the window is computed. */
function resizeWindow(image: RgbImage, width: number, height: number, window: Window): RgbImage {
  requireSize(width, height);
  const { left, top } = window;
  const xTaps = width === image.width ? undefined : bicubicTaps(image.width, width, left, window.width);
  const yTaps = height === image.height ? undefined : bicubicTaps(image.height, height, top, window.height);
  const [firstColumn, endColumn] = xTaps ? inputRange(xTaps) : [left, left + window.width];
  const [firstRow, endRow] = yTaps ? inputRange(yTaps) : [top, top + window.height];

  const rowBytes = image.width * 3;
  const input = { data: image.data, offset: firstRow * rowBytes + firstColumn * 3, rowBytes };
  let part: Rows = input;
  if (yTaps && verticalFirst(image, width, height)) {
    part = verticalPass(part, firstRow, endColumn - firstColumn, yTaps);
    if (xTaps) part = horizontalPass(part, firstColumn, window.height, xTaps);
  } else {
    if (xTaps) part = horizontalPass(part, firstColumn, endRow - firstRow, xTaps);
    if (yTaps) part = verticalPass(part, firstRow, window.width, yTaps);
  }
  const data = part === input ? packed(part, window.width, window.height) : asBytes(part);
  return { data, width: window.width, height: window.height };
}

/** The output of a pass, which lies without gaps. */
function asBytes({ data }: Rows): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

/** A copy of the rows, without what lies between them. */
function packed(rows: Rows, width: number, height: number): Uint8Array {
  const { data, offset, rowBytes } = rows;
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const begin = offset + y * rowBytes;
    out.set(data.subarray(begin, begin + width * 3), y * width * 3);
  }
  return out;
}

/**
 * The picture resized to `width` × `height` pixels, equal to Pillow's
 * `Image.resize((width, height), Image.BICUBIC)` in RGB mode (Pillow 13).
 */
export function resize(image: RgbImage, width: number, height: number): RgbImage {
  return resizeWindow(image, width, height, { left: 0, top: 0, width, height });
}

/**
 * `centerCrop(resize(image, width, height), crop)`, bit for bit, without computing what the crop throws away: a
 * long thin picture costs no more than the crop. `crop` is [height, width] in pixels.
 */
export function resizeAndCrop(
  image: RgbImage,
  width: number,
  height: number,
  crop: readonly [number, number],
): RgbImage {
  requireSize(width, height);
  const { window, padTop, padLeft } = centerCropWindow(width, height, crop);
  return padTo(resizeWindow(image, width, height, window), crop, padTop, padLeft);
}
