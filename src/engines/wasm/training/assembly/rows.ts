/** Steps that go over rows and are not products. */
import { RELU, SILU } from '../../assembly/epilogue';
import { silu } from '../../assembly/math';
import { logistic, multiplyBySlopes, SIGMOID, siluSlope } from './slopes';
import { accumulates, Step } from './step';

/**
 * Rows of patches: m patches of p0 rows of p1 floats, cut of images a whose rows are aStride bytes; p2 × p3 patches an
 * image, of p4 bytes.
 */
export function patches(step: Step, first: i32, end: i32): void {
  const unit = <usize>step.p1 << 2;
  for (let index = first; index < end; index++) {
    const column = index % step.p3;
    const rest = index / step.p3;
    const image = step.a + <usize>(rest / step.p2) * <usize>step.p4;
    let from = image + <usize>((rest % step.p2) * step.p0) * step.aStride + <usize>column * unit;
    let to = step.y + <usize>index * step.yStride;
    for (let i = 0; i < step.p0; i++) {
      memory.copy(to, from, unit);
      from += step.aStride;
      to += unit;
    }
  }
}

/**
 * Rows of each image to others: of an image's `imageRows` rows r, those from p5 to p6 are a's, times epsilon, and b's (a
 * row for each r - p5, or 0) added; the others are zero. To all of them the residual is added, which lies as y does.
 *
 * p0: rows of an image of a; p1: a's first row; p2: rows from one to the next; p3: rows of an image of y; p4: y's first.
 */
export function moveRows(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const vectors = bytes & ~15;
  const factor = step.epsilon;
  const factors = f32x4.splat(factor);
  for (let index = first; index < end; index++) {
    const image = index / step.imageRows;
    const r = index % step.imageRows;
    const place = <usize>(image * step.p3 + step.p4 + r);
    const y = step.y + place * step.yStride;
    const residual = step.residual ? step.residual + place * step.residualStride : 0;
    if (r < step.p5 || r >= step.p6) {
      if (residual) memory.copy(y, residual, bytes);
      else memory.fill(y, 0, bytes);
      continue;
    }
    const row = r - step.p5;
    const a = step.a + <usize>(image * step.p0 + step.p1 + row * step.p2) * step.aStride;
    const b = step.b ? step.b + <usize>row * step.bStride : 0;
    let i: usize = 0;
    for (; i < vectors; i += 16) {
      let v = f32x4.mul(v128.load(a + i), factors);
      if (b) v = f32x4.add(v, v128.load(b + i));
      if (residual) v = f32x4.add(v, v128.load(residual + i));
      v128.store(y + i, v);
    }
    for (; i < bytes; i += 4) {
      let v = load<f32>(a + i) * factor;
      if (b) v += load<f32>(b + i);
      if (residual) v += load<f32>(residual + i);
      store<f32>(y + i, v);
    }
  }
}

/** y [p0] [n] = the sums over m images of a's rows p1 to p1 + p0, of p2 rows an image; added if gradients are. */
export function sumImages(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const adds = accumulates(step);
  const imageBytes = <usize>step.p2 * step.aStride;
  for (let row = first; row < end; row++) {
    const from = step.a + <usize>(step.p1 + row) * step.aStride;
    const y = step.y + <usize>row * step.yStride;
    for (let i: usize = 0; i < bytes; i += 4) {
      let all: f32 = adds ? load<f32>(y + i) : 0;
      let at = from + i;
      for (let image = 0; image < step.m; image++) {
        all += load<f32>(at);
        at += imageBytes;
      }
      store<f32>(y + i, all);
    }
  }
}

/** y [m] = the mean of a's rows p0 to p1 of each image, which has p2. */
export function meanRows(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const factor: f32 = <f32>1 / <f32>(step.p1 - step.p0);
  for (let image = first; image < end; image++) {
    const from = step.a + <usize>(image * step.p2) * step.aStride;
    const y = step.y + <usize>image * step.yStride;
    for (let i: usize = 0; i < bytes; i += 4) {
      let all: f32 = 0;
      for (let row = step.p0; row < step.p1; row++) all += load<f32>(from + <usize>row * step.aStride + i);
      store<f32>(y + i, all * factor);
    }
  }
}

/** y = activation(a): one that follows what is no product. */
export function activateRows(step: Step, first: i32, end: i32): void {
  // Rows are filled up to whole tiles: what is read and written past n is never used.
  const bytes = <usize>((step.n + 7) & ~7) << 2;
  for (let row = first; row < end; row++) {
    const x = step.a + <usize>row * step.aStride;
    const y = step.y + <usize>row * step.yStride;
    if (step.activation == RELU) {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.pmax(v128.load(x + i), f32x4.splat(0));
        const r = f32x4.pmax(v128.load(x + i, 16), f32x4.splat(0));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
    } else if (step.activation == SILU) {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = silu(v128.load(x + i));
        const r = silu(v128.load(x + i, 16));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
    } else if (step.activation == SIGMOID) {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = logistic(v128.load(x + i));
        const r = logistic(v128.load(x + i, 16));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
    } else {
      unreachable();
    }
  }
}

/** y = b · activation'(z) */
export function slope(step: Step, first: i32, end: i32): void {
  for (let row = first; row < end; row++) {
    const at = <usize>row;
    const y = step.y + at * step.yStride;
    multiplyBySlopes(step.b + at * step.bStride, step.z + at * step.zStride, step.activation, step.n, y);
  }
}

/** y = silu(a) · a' of the halves of rows of 2n values. */
export function swiglu(step: Step, first: i32, end: i32): void {
  const half = <usize>step.n << 2;
  for (let row = first; row < end; row++) {
    const a = step.a + <usize>row * step.aStride;
    const y = step.y + <usize>row * step.yStride;
    // Rows are filled up to whole tiles: what is read and written past n is never used.
    for (let i: usize = 0; i < half; i += 16) {
      v128.store(y + i, f32x4.mul(silu(v128.load(a + i)), v128.load(a + half + i)));
    }
  }
}

/** The gradient of swiglu, b being that of its result: both halves of y. */
export function swigluGradient(step: Step, first: i32, end: i32): void {
  const half = <usize>step.n << 2;
  for (let row = first; row < end; row++) {
    const a = step.a + <usize>row * step.aStride;
    const dy = step.b + <usize>row * step.bStride;
    const y = step.y + <usize>row * step.yStride;
    for (let i: usize = 0; i < half; i += 16) {
      const gate = v128.load(a + i);
      const value = v128.load(a + half + i);
      const d = v128.load(dy + i);
      // What the first half writes past its end, the second writes anew.
      v128.store(y + i, f32x4.mul(f32x4.mul(d, value), siluSlope(gate)));
    }
    for (let i: usize = 0; i < half; i += 4) {
      const gate = f32x4.splat(load<f32>(a + i));
      store<f32>(y + half + i, load<f32>(dy + i) * f32x4.extract_lane(silu(gate), 0));
    }
  }
}
