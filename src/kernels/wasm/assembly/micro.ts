/**
 * The micro-kernel under every product: a tile of ROWS × 8 sums, held in registers over the whole of K.
 *
 * Engines leave 15 vector registers free. Fused multiply-add needs 12 sums, 2 of b and 1 of a: 6 rows. Without it
 * each product needs a register of its own before it is added: 5 rows. Loads of b stay inside one turn of the loop;
 * unrolled by hand, V8 hoists them and spills. The first turn stands before the loop: V8 then computes the addresses of
 * a's elements there and keeps them, where it would compute each anew in every turn (10 % of the time without fused
 * multiply-add, which is bound by the number of instructions).
 */
import { madd } from './simd';

/** Rows of a tile, and so of a panel of a. */
export const ROWS: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
/** Columns of a tile, and so of a panel of b. */
export const COLS: i32 = 8;
/** Bytes of a tile. */
export const TILE_BYTES: usize = <usize>(ROWS * COLS * 4);

/**
 * tile [ROWS][8] = Σk a[k][ROWS] ⊗ b[k][8], k > 0
 * @param a panel [k][ROWS]
 * @param b panel [k][8]
 */
export function multiplyTile(a: usize, b: usize, k: i32, tile: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) multiply6x8(a, b, k, tile);
  else multiply5x8(a, b, k, tile);
}

// @ts-ignore: decorator
@inline
function multiply6x8(a: usize, b: usize, k: i32, tile: usize): void {
  let left = v128.load(b);
  let right = v128.load(b, 16);
  let s = v128.load32_splat(a);
  let l0 = f32x4.mul(s, left);
  let r0 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 4);
  let l1 = f32x4.mul(s, left);
  let r1 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 8);
  let l2 = f32x4.mul(s, left);
  let r2 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 12);
  let l3 = f32x4.mul(s, left);
  let r3 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 16);
  let l4 = f32x4.mul(s, left);
  let r4 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 20);
  let l5 = f32x4.mul(s, left);
  let r5 = f32x4.mul(s, right);
  for (const end = b + (<usize>(k - 1) << 5); b != end; ) {
    b += 32;
    a += 24;
    left = v128.load(b);
    right = v128.load(b, 16);
    s = v128.load32_splat(a);
    l0 = madd(s, left, l0);
    r0 = madd(s, right, r0);
    s = v128.load32_splat(a, 4);
    l1 = madd(s, left, l1);
    r1 = madd(s, right, r1);
    s = v128.load32_splat(a, 8);
    l2 = madd(s, left, l2);
    r2 = madd(s, right, r2);
    s = v128.load32_splat(a, 12);
    l3 = madd(s, left, l3);
    r3 = madd(s, right, r3);
    s = v128.load32_splat(a, 16);
    l4 = madd(s, left, l4);
    r4 = madd(s, right, r4);
    s = v128.load32_splat(a, 20);
    l5 = madd(s, left, l5);
    r5 = madd(s, right, r5);
  }
  v128.store(tile, l0);
  v128.store(tile, r0, 16);
  v128.store(tile, l1, 32);
  v128.store(tile, r1, 48);
  v128.store(tile, l2, 64);
  v128.store(tile, r2, 80);
  v128.store(tile, l3, 96);
  v128.store(tile, r3, 112);
  v128.store(tile, l4, 128);
  v128.store(tile, r4, 144);
  v128.store(tile, l5, 160);
  v128.store(tile, r5, 176);
}

// @ts-ignore: decorator
@inline
function multiply5x8(a: usize, b: usize, k: i32, tile: usize): void {
  let left = v128.load(b);
  let right = v128.load(b, 16);
  let s = v128.load32_splat(a);
  let l0 = f32x4.mul(s, left);
  let r0 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 4);
  let l1 = f32x4.mul(s, left);
  let r1 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 8);
  let l2 = f32x4.mul(s, left);
  let r2 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 12);
  let l3 = f32x4.mul(s, left);
  let r3 = f32x4.mul(s, right);
  s = v128.load32_splat(a, 16);
  let l4 = f32x4.mul(s, left);
  let r4 = f32x4.mul(s, right);
  for (const end = b + (<usize>(k - 1) << 5); b != end; ) {
    b += 32;
    a += 20;
    left = v128.load(b);
    right = v128.load(b, 16);
    s = v128.load32_splat(a);
    l0 = madd(s, left, l0);
    r0 = madd(s, right, r0);
    s = v128.load32_splat(a, 4);
    l1 = madd(s, left, l1);
    r1 = madd(s, right, r1);
    s = v128.load32_splat(a, 8);
    l2 = madd(s, left, l2);
    r2 = madd(s, right, r2);
    s = v128.load32_splat(a, 12);
    l3 = madd(s, left, l3);
    r3 = madd(s, right, r3);
    s = v128.load32_splat(a, 16);
    l4 = madd(s, left, l4);
    r4 = madd(s, right, r4);
  }
  v128.store(tile, l0);
  v128.store(tile, r0, 16);
  v128.store(tile, l1, 32);
  v128.store(tile, r1, 48);
  v128.store(tile, l2, 64);
  v128.store(tile, r2, 80);
  v128.store(tile, l3, 96);
  v128.store(tile, r3, 112);
  v128.store(tile, l4, 128);
  v128.store(tile, r4, 144);
}
