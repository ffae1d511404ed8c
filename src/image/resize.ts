import { centerCropWindow, padTo, type Window } from './crop.js';
import { PRECISION_BITS, plainPasses, type Rows, type Taps } from './passes.js';
import type { RgbImage } from './types.js';
import { wasmPasses } from './wasm/passes.js';

/**
 * Pillow's bicubic resize of 8-bit pictures, equal to it byte for byte (the arithmetic of its
 * src/libImaging/Resample.c): antialiased, two passes with fixed-point weights, and rounding to 8 bits between
 * them. A pass is skipped where the size does not change.
 */

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

/** The taps of output positions `from` to `from + length` of a line of `inSize` resized to `outSize`. */
function bicubicTaps(inSize: number, outSize: number, from: number, length: number): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(1, scale);
  const support = BICUBIC_SUPPORT * filterScale;
  const stride = Math.ceil((Math.ceil(support) * 2 + 1) / 4) * 4;
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

/** With SIMD where the engine has it. */
const passes = wasmPasses() ?? plainPasses;

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
    part = passes.vertical(part, firstRow, endColumn - firstColumn, yTaps);
    if (xTaps) part = passes.horizontal(part, firstColumn, window.height, xTaps);
  } else {
    if (xTaps) part = passes.horizontal(part, firstColumn, endRow - firstRow, xTaps);
    if (yTaps) part = passes.vertical(part, firstRow, window.width, yTaps);
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
