/** The two passes of a resize, in plain TypeScript. wasm/passes.ts has the same with SIMD. */

// Bound once: looking `Math` up for each product is slow where the global object is a proxy, as in jest.
const { imul } = Math;

/** Bits behind the point of a weight: 32 less 8 for the levels and 2 for the overshoot of negative lobes. */
export const PRECISION_BITS = 32 - 8 - 2;
const ONE_HALF = 1 << (PRECISION_BITS - 1);

/** For each output position the first input position, the number of inputs and their fixed-point weights. */
export interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `stride` weights for each output position, of which the first `count` are used; the others are 0. */
  readonly weights: Int32Array;
  /** A multiple of 4. */
  readonly stride: number;
}

/** Rows of interleaved RGB inside a larger array. */
export interface Rows {
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Index of the first byte used. */
  readonly offset: number;
  /** Bytes from one row to the next. */
  readonly rowBytes: number;
}

/**
 * Both passes. `firstColumn` and `firstRow` are the column and row of the image that `source` begins with; the output
 * lies without gaps.
 */
export interface Passes {
  horizontal(source: Rows, firstColumn: number, height: number, taps: Taps): Rows;
  vertical(source: Rows, firstRow: number, width: number, taps: Taps): Rows;
}

export const plainPasses: Passes = { horizontal: horizontalPass, vertical: verticalPass };

/** Resamples `height` rows along x. `firstColumn` is the column of the image that `source` begins with. */
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

/** Resamples rows of `width` pixels along y. `firstRow` is the row of the image that `source` begins with. */
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
