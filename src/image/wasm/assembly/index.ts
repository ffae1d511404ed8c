/**
 * The two passes of src/image/resize.ts with SIMD, to the bit: sums of 8-bit levels times fixed-point weights in 32-bit
 * integers, shifted and clipped to 8 bits. Every address is in bytes.
 */

/** As in resize.ts. */
const PRECISION_BITS: i32 = 32 - 8 - 2;
const ONE_HALF: i32 = 1 << (PRECISION_BITS - 1);

/** Four sums as levels, in the low four bytes: a sum shifted lies within ±512, so that narrowing clips as it should. */
// @ts-ignore: decorator
@inline
function narrow(a: v128, b: v128, c: v128, d: v128): v128 {
  const low = i16x8.narrow_i32x4_s(i32x4.shr_s(a, PRECISION_BITS), i32x4.shr_s(b, PRECISION_BITS));
  const high = i16x8.narrow_i32x4_s(i32x4.shr_s(c, PRECISION_BITS), i32x4.shr_s(d, PRECISION_BITS));
  return i8x16.narrow_i16x8_u(low, high);
}

/**
 * Resamples rows of RGB along x. Taps are taken by fours: weights past the last are zero, and up to 15 bytes past the
 * row's end are read.
 *
 * @param source first byte of the first row; rows are `pitch` bytes apart
 * @param first for each output position the byte in its row where its taps begin, i32
 * @param groups for each output position how many groups of four taps it has, i32
 * @param weights i32, `stride` bytes for each output position
 * @param out packed rows; one byte past them is written
 */
export function horizontal(
  source: usize,
  pitch: usize,
  height: i32,
  width: i32,
  first: usize,
  groups: usize,
  weights: usize,
  stride: usize,
  out: usize,
): void {
  const zero = i32x4.splat(0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let p = source + <usize>load<i32>(first + ((<usize>x) << 2));
      let w = weights + <usize>x * stride;
      const end = w + ((<usize>load<i32>(groups + ((<usize>x) << 2))) << 4);
      let even = i32x4.splat(ONE_HALF);
      let odd = zero;
      for (; w < end; w += 16, p += 12) {
        const v = v128.load(p);
        const tap0 = i8x16.shuffle(v, zero, 0, 16, 16, 16, 1, 16, 16, 16, 2, 16, 16, 16, 16, 16, 16, 16);
        const tap1 = i8x16.shuffle(v, zero, 3, 16, 16, 16, 4, 16, 16, 16, 5, 16, 16, 16, 16, 16, 16, 16);
        const tap2 = i8x16.shuffle(v, zero, 6, 16, 16, 16, 7, 16, 16, 16, 8, 16, 16, 16, 16, 16, 16, 16);
        const tap3 = i8x16.shuffle(v, zero, 9, 16, 16, 16, 10, 16, 16, 16, 11, 16, 16, 16, 16, 16, 16, 16);
        even = i32x4.add(even, i32x4.mul(tap0, v128.load32_splat(w)));
        odd = i32x4.add(odd, i32x4.mul(tap1, v128.load32_splat(w, 4)));
        even = i32x4.add(even, i32x4.mul(tap2, v128.load32_splat(w, 8)));
        odd = i32x4.add(odd, i32x4.mul(tap3, v128.load32_splat(w, 12)));
      }
      const sum = i32x4.add(even, odd);
      v128.store32_lane(out, narrow(sum, zero, zero, zero), 0);
      out += 3;
    }
    source += pitch;
  }
}

/**
 * Resamples columns of bytes along y, 16 at a time.
 *
 * @param source rows of `columns` bytes, a multiple of 16, packed
 * @param first for each output row the input row where its taps begin, i32
 * @param count for each output row how many taps it has, i32
 * @param weights i32, `stride` bytes for each output row
 * @param out rows of `columns` bytes, packed
 */
export function vertical(
  source: usize,
  columns: usize,
  height: i32,
  first: usize,
  count: usize,
  weights: usize,
  stride: usize,
  out: usize,
): void {
  for (let y = 0; y < height; y++) {
    const top = source + <usize>load<i32>(first + ((<usize>y) << 2)) * columns;
    const begin = weights + <usize>y * stride;
    const end = begin + ((<usize>load<i32>(count + ((<usize>y) << 2))) << 2);
    for (let x: usize = 0; x < columns; x += 16) {
      let sum0 = i32x4.splat(ONE_HALF);
      let sum1 = sum0;
      let sum2 = sum0;
      let sum3 = sum0;
      let p = top + x;
      for (let w = begin; w < end; w += 4, p += columns) {
        const weight = v128.load32_splat(w);
        const v = v128.load(p);
        const low = i16x8.extend_low_i8x16_u(v);
        const high = i16x8.extend_high_i8x16_u(v);
        sum0 = i32x4.add(sum0, i32x4.mul(i32x4.extend_low_i16x8_u(low), weight));
        sum1 = i32x4.add(sum1, i32x4.mul(i32x4.extend_high_i16x8_u(low), weight));
        sum2 = i32x4.add(sum2, i32x4.mul(i32x4.extend_low_i16x8_u(high), weight));
        sum3 = i32x4.add(sum3, i32x4.mul(i32x4.extend_high_i16x8_u(high), weight));
      }
      v128.store(out + x, narrow(sum0, sum1, sum2, sum3));
    }
    out += columns;
  }
}
