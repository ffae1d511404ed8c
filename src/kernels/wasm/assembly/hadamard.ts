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

/** Sums and differences of four runs of `bytes` bytes that lie behind each other. */
// @ts-ignore: decorator
@inline
function butterfly(from: usize, to: usize, bytes: usize): void {
  const end = from + bytes;
  const vectorEnd = from + (bytes & ~15);
  while (from < vectorEnd) {
    const a = v128.load(from);
    const b = v128.load(from + bytes);
    const c = v128.load(from + 2 * bytes);
    const d = v128.load(from + 3 * bytes);
    const sum0 = f32x4.add(a, b);
    const difference0 = f32x4.sub(a, b);
    const sum1 = f32x4.add(c, d);
    const difference1 = f32x4.sub(c, d);
    v128.store(to, f32x4.add(sum0, sum1));
    v128.store(to + bytes, f32x4.add(difference0, difference1));
    v128.store(to + 2 * bytes, f32x4.sub(sum0, sum1));
    v128.store(to + 3 * bytes, f32x4.sub(difference0, difference1));
    from += 16;
    to += 16;
  }
  while (from < end) {
    const a = load<f32>(from);
    const b = load<f32>(from + bytes);
    const c = load<f32>(from + 2 * bytes);
    const d = load<f32>(from + 3 * bytes);
    store<f32>(to, a + b + (c + d));
    store<f32>(to + bytes, a - b + (c - d));
    store<f32>(to + 2 * bytes, a + b - (c + d));
    store<f32>(to + 3 * bytes, a - b - (c - d));
    from += 4;
    to += 4;
  }
}
