/**
 * The micro-kernel under every product: a tile of ROWS × COLS sums, held in registers over the inner dimension.
 *
 * Engines leave 15 vector registers free. With fused multiply-add and 256-bit registers a tile of 6 × 16 needs 12 for its
 * sums, 2 for b and 1 for a; with 128 bits the same holds for 6 × 8. Without fused multiply-add each product needs a
 * register of its own before it is added: 5 × 8. V8 makes one 256-bit operation of two of 128 bits that stand beside each
 * other: sums, loads and stores are therefore in pairs. Each sum is added up in the order of k, so that 6 × 16 and 6 × 8
 * give the same bits.
 */
import { madd } from '../../../kernels/wasm/assembly/simd';
import { COLS } from './columns';

export { COLS } from './columns';

/** Rows of a tile, and so of a panel of a. */
export const ROWS: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
/** Bytes of a row of a panel of b, or of a tile. */
export const COLS_BYTES: usize = <usize>COLS << 2;
/** Bytes of a row of a panel of a. */
export const ROWS_BYTES: usize = <usize>ROWS << 2;
/** Bytes of a tile. */
export const TILE_BYTES: usize = <usize>ROWS * COLS_BYTES;

/**
 * out [ROWS][COLS] = init [ROWS][COLS] + Σk a[k][ROWS] ⊗ b[k][COLS]; strides in bytes, from row to row.
 */
export function multiplyTile(
  a: usize, b: usize, k: i32, init: usize, initStride: usize, out: usize, outStride: usize,
): void {
  if (!ASC_FEATURE_RELAXED_SIMD) multiply5x8(a, b, k, init, initStride, out, outStride);
  else if (COLS == 16) multiply6x16(a, b, k, init, initStride, out, outStride);
  else multiply6x8(a, b, k, init, initStride, out, outStride);
}

// @ts-ignore: decorator
@inline
function multiply6x16(
  a: usize, b: usize, k: i32, init: usize, initStride: usize, out: usize, outStride: usize,
): void {
  let l0 = v128.load(init), r0 = v128.load(init, 16), s0 = v128.load(init, 32), t0 = v128.load(init, 48);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16), s1 = v128.load(init, 32), t1 = v128.load(init, 48);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16), s2 = v128.load(init, 32), t2 = v128.load(init, 48);
  init += initStride;
  let l3 = v128.load(init), r3 = v128.load(init, 16), s3 = v128.load(init, 32), t3 = v128.load(init, 48);
  init += initStride;
  let l4 = v128.load(init), r4 = v128.load(init, 16), s4 = v128.load(init, 32), t4 = v128.load(init, 48);
  init += initStride;
  let l5 = v128.load(init), r5 = v128.load(init, 16), s5 = v128.load(init, 32), t5 = v128.load(init, 48);
  for (const end = b + (<usize>k << 6); b != end; b += 64, a += 24) {
    const p = v128.load(b), q = v128.load(b, 16), v = v128.load(b, 32), w = v128.load(b, 48);
    let s = v128.load32_splat(a);
    l0 = madd(s, p, l0);
    r0 = madd(s, q, r0);
    s0 = madd(s, v, s0);
    t0 = madd(s, w, t0);
    s = v128.load32_splat(a, 4);
    l1 = madd(s, p, l1);
    r1 = madd(s, q, r1);
    s1 = madd(s, v, s1);
    t1 = madd(s, w, t1);
    s = v128.load32_splat(a, 8);
    l2 = madd(s, p, l2);
    r2 = madd(s, q, r2);
    s2 = madd(s, v, s2);
    t2 = madd(s, w, t2);
    s = v128.load32_splat(a, 12);
    l3 = madd(s, p, l3);
    r3 = madd(s, q, r3);
    s3 = madd(s, v, s3);
    t3 = madd(s, w, t3);
    s = v128.load32_splat(a, 16);
    l4 = madd(s, p, l4);
    r4 = madd(s, q, r4);
    s4 = madd(s, v, s4);
    t4 = madd(s, w, t4);
    s = v128.load32_splat(a, 20);
    l5 = madd(s, p, l5);
    r5 = madd(s, q, r5);
    s5 = madd(s, v, s5);
    t5 = madd(s, w, t5);
  }
  v128.store(out, l0);
  v128.store(out, r0, 16);
  v128.store(out, s0, 32);
  v128.store(out, t0, 48);
  out += outStride;
  v128.store(out, l1);
  v128.store(out, r1, 16);
  v128.store(out, s1, 32);
  v128.store(out, t1, 48);
  out += outStride;
  v128.store(out, l2);
  v128.store(out, r2, 16);
  v128.store(out, s2, 32);
  v128.store(out, t2, 48);
  out += outStride;
  v128.store(out, l3);
  v128.store(out, r3, 16);
  v128.store(out, s3, 32);
  v128.store(out, t3, 48);
  out += outStride;
  v128.store(out, l4);
  v128.store(out, r4, 16);
  v128.store(out, s4, 32);
  v128.store(out, t4, 48);
  out += outStride;
  v128.store(out, l5);
  v128.store(out, r5, 16);
  v128.store(out, s5, 32);
  v128.store(out, t5, 48);
}

// @ts-ignore: decorator
@inline
function multiply6x8(
  a: usize, b: usize, k: i32, init: usize, initStride: usize, out: usize, outStride: usize,
): void {
  let l0 = v128.load(init), r0 = v128.load(init, 16);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16);
  init += initStride;
  let l3 = v128.load(init), r3 = v128.load(init, 16);
  init += initStride;
  let l4 = v128.load(init), r4 = v128.load(init, 16);
  init += initStride;
  let l5 = v128.load(init), r5 = v128.load(init, 16);
  for (const end = b + (<usize>k << 5); b != end; b += 32, a += 24) {
    const p = v128.load(b), q = v128.load(b, 16);
    let s = v128.load32_splat(a);
    l0 = madd(s, p, l0);
    r0 = madd(s, q, r0);
    s = v128.load32_splat(a, 4);
    l1 = madd(s, p, l1);
    r1 = madd(s, q, r1);
    s = v128.load32_splat(a, 8);
    l2 = madd(s, p, l2);
    r2 = madd(s, q, r2);
    s = v128.load32_splat(a, 12);
    l3 = madd(s, p, l3);
    r3 = madd(s, q, r3);
    s = v128.load32_splat(a, 16);
    l4 = madd(s, p, l4);
    r4 = madd(s, q, r4);
    s = v128.load32_splat(a, 20);
    l5 = madd(s, p, l5);
    r5 = madd(s, q, r5);
  }
  v128.store(out, l0);
  v128.store(out, r0, 16);
  out += outStride;
  v128.store(out, l1);
  v128.store(out, r1, 16);
  out += outStride;
  v128.store(out, l2);
  v128.store(out, r2, 16);
  out += outStride;
  v128.store(out, l3);
  v128.store(out, r3, 16);
  out += outStride;
  v128.store(out, l4);
  v128.store(out, r4, 16);
  out += outStride;
  v128.store(out, l5);
  v128.store(out, r5, 16);
}

// @ts-ignore: decorator
@inline
function multiply5x8(
  a: usize, b: usize, k: i32, init: usize, initStride: usize, out: usize, outStride: usize,
): void {
  let l0 = v128.load(init), r0 = v128.load(init, 16);
  init += initStride;
  let l1 = v128.load(init), r1 = v128.load(init, 16);
  init += initStride;
  let l2 = v128.load(init), r2 = v128.load(init, 16);
  init += initStride;
  let l3 = v128.load(init), r3 = v128.load(init, 16);
  init += initStride;
  let l4 = v128.load(init), r4 = v128.load(init, 16);
  for (const end = b + (<usize>k << 5); b != end; b += 32, a += 20) {
    const p = v128.load(b), q = v128.load(b, 16);
    let s = v128.load32_splat(a);
    l0 = madd(s, p, l0);
    r0 = madd(s, q, r0);
    s = v128.load32_splat(a, 4);
    l1 = madd(s, p, l1);
    r1 = madd(s, q, r1);
    s = v128.load32_splat(a, 8);
    l2 = madd(s, p, l2);
    r2 = madd(s, q, r2);
    s = v128.load32_splat(a, 12);
    l3 = madd(s, p, l3);
    r3 = madd(s, q, r3);
    s = v128.load32_splat(a, 16);
    l4 = madd(s, p, l4);
    r4 = madd(s, q, r4);
  }
  v128.store(out, l0);
  v128.store(out, r0, 16);
  out += outStride;
  v128.store(out, l1);
  v128.store(out, r1, 16);
  out += outStride;
  v128.store(out, l2);
  v128.store(out, r2, 16);
  out += outStride;
  v128.store(out, l3);
  v128.store(out, r3, 16);
  out += outStride;
  v128.store(out, l4);
  v128.store(out, r4, 16);
}
