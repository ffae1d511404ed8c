/** Rows of floats, in pairs of vectors and one by one. */

/** to = from */
// @ts-ignore: decorator
@inline
export function copyFloats(from: usize, to: usize, bytes: usize): void {
  let i: usize = 0;
  for (const end = bytes & ~31; i < end; i += 32) {
    const l = v128.load(from + i);
    const r = v128.load(from + i, 16);
    v128.store(to + i, l);
    v128.store(to + i, r, 16);
  }
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(from + i));
}

/** to += from */
// @ts-ignore: decorator
@inline
export function addFloats(from: usize, to: usize, bytes: usize): void {
  let i: usize = 0;
  for (const end = bytes & ~31; i < end; i += 32) {
    const l = f32x4.add(v128.load(to + i), v128.load(from + i));
    const r = f32x4.add(v128.load(to + i, 16), v128.load(from + i, 16));
    v128.store(to + i, l);
    v128.store(to + i, r, 16);
  }
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i));
}

/** to += a · b */
// @ts-ignore: decorator
@inline
export function addProducts(a: usize, b: usize, to: usize, bytes: usize): void {
  let i: usize = 0;
  for (const end = bytes & ~31; i < end; i += 32) {
    const l = f32x4.add(v128.load(to + i), f32x4.mul(v128.load(a + i), v128.load(b + i)));
    const r = f32x4.add(v128.load(to + i, 16), f32x4.mul(v128.load(a + i, 16), v128.load(b + i, 16)));
    v128.store(to + i, l);
    v128.store(to + i, r, 16);
  }
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(a + i) * load<f32>(b + i));
}
