/** Steps that go over rows and are not products. */
import { silu } from './math';
import { rowsOf } from './linear';
import { ROWS } from './micro';
import { normalizeRow } from './norm';
import { Step } from './step';

/** y = norm(x), n values a row. */
export function layerNorm(step: Step, first: i32, end: i32, own: usize, scratch: usize): void {
  const last = min(end * ROWS, step.rows);
  let x = rowsOf(step.x, step.xStride, step.xKind, first, first, own);
  let y = rowsOf(step.y, step.yStride, step.yKind, first, first, own);
  for (let row = first * ROWS; row < last; row++) {
    normalizeRow(x, step.n, step.gamma, step.beta, step.epsilon, y, scratch);
    x += step.xStride;
    y += step.yStride;
  }
}

/** y = silu(a) · b of the halves of rows of 2n values. */
export function swiglu(step: Step, first: i32, end: i32, own: usize): void {
  const last = min(end * ROWS, step.rows);
  const half = <usize>step.n << 2;
  let x = rowsOf(step.x, step.xStride, step.xKind, first, first, own);
  let y = rowsOf(step.y, step.yStride, step.yKind, first, first, own);
  for (let row = first * ROWS; row < last; row++) {
    // Rows are filled up to whole tiles: what is read and written past n is never used.
    for (let i: usize = 0; i < half; i += 32) {
      const l = f32x4.mul(silu(v128.load(x + i)), v128.load(x + half + i));
      const r = f32x4.mul(silu(v128.load(x + i, 16)), v128.load(x + half + i, 16));
      v128.store(y + i, l);
      v128.store(y + i, r, 16);
    }
    x += step.xStride;
    y += step.yStride;
  }
}

/**
 * Prefix tokens `w` [p0][n] and then patch tokens x [p1][n] with positions `scale` [p1][n] (or none) to rows of an image,
 * of which y has p3; those past p0 + p1 are zero.
 */
export function addTokens(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const last = min(end * ROWS, step.rows);
  const prefix = step.p0;
  const patches = step.p1;
  for (let row = first * ROWS; row < last; row++) {
    const image = row / step.p3;
    const token = row % step.p3;
    const patch = token - prefix;
    const y = step.y + <usize>row * step.yStride;
    if (patch < 0) {
      memory.copy(y, step.w + <usize>token * step.yStride, bytes);
    } else if (patch >= patches) {
      memory.fill(y, 0, bytes);
    } else {
      const x = step.x + <usize>(image * patches + patch) * step.xStride;
      if (step.scale) addRows(x, step.scale + <usize>patch * step.yStride, bytes, y);
      else memory.copy(y, x, bytes);
    }
  }
}

/** y = a + b; whole vectors, whose rest is never used. */
// @ts-ignore: decorator
@inline
function addRows(a: usize, b: usize, bytes: usize, y: usize): void {
  for (let i: usize = 0; i < bytes; i += 32) {
    const l = f32x4.add(v128.load(a + i), v128.load(b + i));
    const r = f32x4.add(v128.load(a + i, 16), v128.load(b + i, 16));
    v128.store(y + i, l);
    v128.store(y + i, r, 16);
  }
}

/**
 * Rows p0 to p0 + p1 of each image of x, which has p2, to rows of y, which has p3 an image: n values at float p4. Rows
 * past p1 are left as they are.
 */
export function copyRows(step: Step, first: i32, end: i32): void {
  const last = min(end * ROWS, step.rows);
  const bytes = <usize>step.n << 2;
  for (let row = first * ROWS; row < last; row++) {
    const token = row % step.p3;
    if (token >= step.p1) continue;
    const from = <usize>((row / step.p3) * step.p2 + step.p0 + token) * step.xStride;
    memory.copy(step.y + <usize>row * step.yStride + (<usize>step.p4 << 2), step.x + from, bytes);
  }
}

/** The mean of rows p0 to p1 of each image of x, which has p2, to one row of y. */
export function meanTokens(step: Step, first: i32, end: i32): void {
  const last = min(end * ROWS, step.rows);
  const bytes = <usize>step.n << 2;
  const factor = f32x4.splat(<f32>1 / <f32>(step.p1 - step.p0));
  for (let row = first * ROWS; row < last; row++) {
    const from = step.x + <usize>(row * step.p2) * step.xStride;
    const y = step.y + <usize>row * step.yStride;
    for (let i: usize = 0; i < bytes; i += 16) {
      let sum = f32x4.splat(0);
      for (let token = step.p0; token < step.p1; token++) {
        sum = f32x4.add(sum, v128.load(from + <usize>token * step.xStride + i));
      }
      v128.store(y + i, f32x4.mul(sum, factor));
    }
  }
}

/** y = (x + residual) · epsilon: what means of several values are made of. */
export function addScaled(step: Step, first: i32, end: i32): void {
  const last = min(end * ROWS, step.rows);
  const bytes = <usize>step.n << 2;
  const factor = f32x4.splat(step.epsilon);
  for (let row = first * ROWS; row < last; row++) {
    const x = step.x + <usize>row * step.xStride;
    const residual = step.residual + <usize>row * step.residualStride;
    const y = step.y + <usize>row * step.yStride;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(y + i, f32x4.mul(f32x4.add(v128.load(x + i), v128.load(residual + i)), factor));
    }
  }
}
