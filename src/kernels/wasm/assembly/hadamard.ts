/**
 * Hadamard rotation: values that stand out of a row are spread over many, so that the row's range, and with it the
 * step of its 8-bit codes, shrinks. Products stay as they were where the weights are rotated too.
 */

/** Points of the rotation of rows of k values: the largest power of 4 up to 64 that divides k. */
export function hadamardSize(k: i32): i32 {
  return k % 64 == 0 ? 64 : k % 16 == 0 ? 16 : k % 4 == 0 ? 4 : 1;
}

/**
 * to [k] = H x, not normalised: values k / n apart are combined, n = hadamardSize(k). `to` may be x.
 */
export function hadamardRow(x: usize, k: i32, to: usize): void {
  let span = k;
  let from = x;
  for (let n = hadamardSize(k); n > 1; n >>= 2) {
    const quarter = <usize>(span >> 2) << 2;
    for (let start: usize = 0; start < <usize>k << 2; start += quarter << 2) {
      butterfly(from + start, to + start, quarter);
    }
    span >>= 2;
    from = to;
  }
  if (from != to) memory.copy(to, x, <usize>k << 2);
}

/**
 * Sums and differences of four runs of `bytes` bytes that lie behind each other. Vectors are taken in pairs, of which V8
 * makes 256-bit operations.
 */
// @ts-ignore: decorator
@inline
function butterfly(from: usize, to: usize, bytes: usize): void {
  let rest = bytes;
  for (; rest >= 32; rest -= 32) {
    const a = v128.load(from), a1 = v128.load(from, 16);
    const b = v128.load(from + bytes), b1 = v128.load(from + bytes, 16);
    const c = v128.load(from + 2 * bytes), c1 = v128.load(from + 2 * bytes, 16);
    const d = v128.load(from + 3 * bytes), d1 = v128.load(from + 3 * bytes, 16);
    const ab = f32x4.add(a, b), ab1 = f32x4.add(a1, b1);
    const cd = f32x4.add(c, d), cd1 = f32x4.add(c1, d1);
    const aMinusB = f32x4.sub(a, b), aMinusB1 = f32x4.sub(a1, b1);
    const cMinusD = f32x4.sub(c, d), cMinusD1 = f32x4.sub(c1, d1);
    v128.store(to, f32x4.add(ab, cd));
    v128.store(to, f32x4.add(ab1, cd1), 16);
    v128.store(to + bytes, f32x4.add(aMinusB, cMinusD));
    v128.store(to + bytes, f32x4.add(aMinusB1, cMinusD1), 16);
    v128.store(to + 2 * bytes, f32x4.sub(ab, cd));
    v128.store(to + 2 * bytes, f32x4.sub(ab1, cd1), 16);
    v128.store(to + 3 * bytes, f32x4.sub(aMinusB, cMinusD));
    v128.store(to + 3 * bytes, f32x4.sub(aMinusB1, cMinusD1), 16);
    from += 32;
    to += 32;
  }
  if (rest >= 16) {
    oneVector(from, to, bytes, false);
    from += 16;
    to += 16;
    rest -= 16;
  }
  if (rest >= 8) {
    oneVector(from, to, bytes, true);
    from += 8;
    to += 8;
    rest -= 8;
  }
  if (rest) oneColumn(from, to, bytes);
}

/** The same for runs of one vector, or of its first half. */
// @ts-ignore: decorator
@inline
function oneVector(from: usize, to: usize, bytes: usize, half: bool): void {
  const a = loadVector(from, half);
  const b = loadVector(from + bytes, half);
  const c = loadVector(from + 2 * bytes, half);
  const d = loadVector(from + 3 * bytes, half);
  const ab = f32x4.add(a, b), aMinusB = f32x4.sub(a, b);
  const cd = f32x4.add(c, d), cMinusD = f32x4.sub(c, d);
  storeVector(to, f32x4.add(ab, cd), half);
  storeVector(to + bytes, f32x4.add(aMinusB, cMinusD), half);
  storeVector(to + 2 * bytes, f32x4.sub(ab, cd), half);
  storeVector(to + 3 * bytes, f32x4.sub(aMinusB, cMinusD), half);
}

// @ts-ignore: decorator
@inline
function loadVector(from: usize, half: bool): v128 {
  return half ? v128.load64_zero(from) : v128.load(from);
}

// @ts-ignore: decorator
@inline
function storeVector(to: usize, v: v128, half: bool): void {
  if (half) v128.store64_lane(to, v, 0);
  else v128.store(to, v);
}

/** The same for runs of one value. */
// @ts-ignore: decorator
@inline
function oneColumn(from: usize, to: usize, bytes: usize): void {
  const a = load<f32>(from);
  const b = load<f32>(from + bytes);
  const c = load<f32>(from + 2 * bytes);
  const d = load<f32>(from + 3 * bytes);
  store<f32>(to, a + b + (c + d));
  store<f32>(to + bytes, a - b + (c - d));
  store<f32>(to + 2 * bytes, a + b - (c + d));
  store<f32>(to + 3 * bytes, a - b - (c - d));
}
