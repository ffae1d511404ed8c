import { centerCropWindow, padTo, type Window } from './crop.js';
import { type Filter, filters } from './filters.js';
import { PRECISION_BITS, plainPasses, type Rows, type Taps } from './passes.js';
import type { Interpolation, Preprocessing, RgbImage } from './types.js';
import { wasmPasses } from './wasm/passes.js';

/**
 * Pillow's resize of 8-bit images, equal to it byte for byte (the arithmetic of its
 * src/libImaging/Resample.c): antialiased, two passes with fixed-point weights, and rounding to 8 bits between
 * them. A pass is skipped where the size does not change.
 */

/** The taps of output positions `from` to `from + length` of a line of `inSize` resized to `outSize`. */
function makeTaps(
  { support: reach, weight }: Filter,
  inSize: number,
  outSize: number,
  from: number,
  length: number,
): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(1, scale);
  const support = reach * filterScale;
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
      exact[t] = weight((t + begin - center + 0.5) * inverse);
      sum += exact[t]!;
    }
    for (let t = 0; t < taps; t++) {
      const scaled = (sum === 0 ? exact[t]! : exact[t]! / sum) * (1 << PRECISION_BITS);
      weights[i * stride + t] = Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
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
 * only for images more than about twice as high as wide.
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

/** Part `window` of the image resized to width × height; nothing outside the window is computed. */
function resizeWindow(
  image: RgbImage,
  width: number,
  height: number,
  window: Window,
  interpolation: Interpolation,
): RgbImage {
  requireSize(width, height);
  if (interpolation === 'nearest') return nearestWindow(image, width, height, window);
  const filter = filters[interpolation];
  const { left, top } = window;
  const xTaps = width === image.width ? undefined : makeTaps(filter, image.width, width, left, window.width);
  const yTaps =
    height === image.height ? undefined : makeTaps(filter, image.height, height, top, window.height);
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

/**
 * The input position of each of the output positions `from` to `from + length`, or -1 where rounding has led outside.
 * Pillow adds the step up position by position, which shows in the last pixels of long lines.
 */
function nearestPositions(inSize: number, outSize: number, from: number, length: number): Int32Array {
  const positions = new Int32Array(length);
  const step = inSize / outSize;
  let at = step * 0.5;
  for (let i = 0; i < from; i++) at += step;
  for (let i = 0; i < length; i++) {
    const position = Math.trunc(at);
    positions[i] = position < inSize ? position : -1;
    at += step;
  }
  return positions;
}

/** Pillow's nearest neighbour (ImagingScaleAffine); a pixel outside is black. */
function nearestWindow(image: RgbImage, width: number, height: number, window: Window): RgbImage {
  const columns = nearestPositions(image.width, width, window.left, window.width);
  const rows = nearestPositions(image.height, height, window.top, window.height);
  const data = new Uint8Array(window.width * window.height * 3);
  let to = 0;
  for (const row of rows) {
    const begin = row * image.width * 3;
    for (const column of columns) {
      if (row >= 0 && column >= 0) {
        const from = begin + column * 3;
        data[to] = image.data[from]!;
        data[to + 1] = image.data[from + 1]!;
        data[to + 2] = image.data[from + 2]!;
      }
      to += 3;
    }
  }
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
 * The image resized to `width` × `height` pixels, equal to Pillow's `Image.resize((width, height), FILTER)` in RGB
 * mode (Pillow 13).
 */
export function resize(
  image: RgbImage,
  width: number,
  height: number,
  interpolation: Interpolation = 'bicubic',
): RgbImage {
  return resizeWindow(image, width, height, { left: 0, top: 0, width, height }, interpolation);
}

/** What a resize and centre crop may be told beside the sizes; see Preprocessing. */
export type CropOptions = Pick<Preprocessing, 'interpolation' | 'cropRounding' | 'fill'>;

/**
 * `centerCrop(resize(image, width, height), crop)`, bit for bit, without computing what the crop throws away: a
 * long thin image costs no more than the crop. `crop` is [height, width] in pixels.
 */
export function resizeAndCrop(
  image: RgbImage,
  width: number,
  height: number,
  crop: readonly [number, number],
  { interpolation = 'bicubic', cropRounding, fill }: CropOptions = {},
): RgbImage {
  requireSize(width, height);
  const { window, padTop, padLeft } = centerCropWindow(width, height, crop, cropRounding);
  return padTo(resizeWindow(image, width, height, window, interpolation), crop, padTop, padLeft, fill);
}
