/**
 * Steps over the channels of pixels: batch norm (arXiv 1502.03167), forward and backward, and what multiplies an image's
 * channels (squeeze-and-excitation, arXiv 1709.01507).
 *
 * Sums go over chunks of rows, the same for any number of threads, whose parts channelTotals adds up: lines of p1 floats.
 */
import { squareRoot } from '../../../../kernels/wasm/assembly/simd';
import { addFloats, addProducts } from './floats';
import { chunkRows } from './norm';
import { Step } from './step';

/** p0 of channelSums and channelTotals: what they are for. */
const MEAN: i32 = 0;
const VARIANCE: i32 = 1;
const GRADIENT: i32 = 2;
/** The factor of channels whose variance is known: at inference. */
const KNOWN: i32 = 3;

/**
 * Each chunk's part of Σ a (MEAN), of Σ (a - mean)² (VARIANCE), or of Σ b and Σ b (a - mean) (GRADIENT), to lines of y.
 * bias: the mean.
 */
export function channelSums(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const line = <usize>step.p1 << 2;
  const lines: i32 = step.p0 == GRADIENT ? 2 : 1;
  for (let chunk = first; chunk < end; chunk++) {
    const y = step.y + <usize>(lines * chunk) * line;
    memory.fill(y, 0, <usize>lines * line);
    const last = min((chunk + 1) * chunkRows(), step.m);
    for (let row = chunk * chunkRows(); row < last; row++) {
      const x = step.a + <usize>row * step.aStride;
      if (step.p0 == MEAN) addFloats(x, y, bytes);
      else if (step.p0 == VARIANCE) addSquares(x, step.bias, y, bytes);
      else addSlopes(x, step.bias, step.b + <usize>row * step.bStride, y, y + line, bytes);
    }
  }
}

function addSquares(x: usize, mean: usize, y: usize, bytes: usize): void {
  let i: usize = 0;
  for (const end = bytes & ~31; i < end; i += 32) {
    const a = f32x4.sub(v128.load(x + i), v128.load(mean + i));
    const b = f32x4.sub(v128.load(x + i, 16), v128.load(mean + i, 16));
    const l = f32x4.add(v128.load(y + i), f32x4.mul(a, a));
    const r = f32x4.add(v128.load(y + i, 16), f32x4.mul(b, b));
    v128.store(y + i, l);
    v128.store(y + i, r, 16);
  }
  for (; i < bytes; i += 4) {
    const a = load<f32>(x + i) - load<f32>(mean + i);
    store<f32>(y + i, load<f32>(y + i) + a * a);
  }
}

function addSlopes(x: usize, mean: usize, dy: usize, sums: usize, products: usize, bytes: usize): void {
  let i: usize = 0;
  for (const end = bytes & ~31; i < end; i += 32) {
    const a = v128.load(dy + i);
    const b = v128.load(dy + i, 16);
    const p = f32x4.sub(v128.load(x + i), v128.load(mean + i));
    const q = f32x4.sub(v128.load(x + i, 16), v128.load(mean + i, 16));
    const l = f32x4.add(v128.load(products + i), f32x4.mul(a, p));
    const r = f32x4.add(v128.load(products + i, 16), f32x4.mul(b, q));
    v128.store(products + i, l);
    v128.store(products + i, r, 16);
    const s = f32x4.add(v128.load(sums + i), a);
    const t = f32x4.add(v128.load(sums + i, 16), b);
    v128.store(sums + i, s);
    v128.store(sums + i, t, 16);
  }
  for (; i < bytes; i += 4) {
    const d = load<f32>(dy + i);
    store<f32>(sums + i, load<f32>(sums + i) + d);
    store<f32>(products + i, load<f32>(products + i) + d * (load<f32>(x + i) - load<f32>(mean + i)));
  }
}

/**
 * What k chunks' sums a come to, m rows in all, in lines of y. MEAN: the mean. VARIANCE: the variance, gamma / √(variance +
 * epsilon); KNOWN: the same of the variance that is in `scale`. GRADIENT, `scale` being the variance: Σ b / m,
 * Σ b (a - mean) / (m (variance + epsilon)), and the gradients of beta and gamma. gamma is 0 for ones.
 */
export function channelTotals(step: Step): void {
  const bytes = <usize>step.n << 2;
  const line = <usize>step.p1 << 2;
  const count = <f32>step.m;
  for (let i: usize = 0; i < bytes; i += 4) {
    const y = step.y + i;
    if (step.p0 == GRADIENT) {
      const sum = total(step.a + i, step.k, 2 * line);
      const product = total(step.a + line + i, step.k, 2 * line);
      const variance = load<f32>(step.scale + i) + step.epsilon;
      store<f32>(y, sum / count);
      store<f32>(y + line, product / (count * variance));
      store<f32>(y + 2 * line, sum);
      store<f32>(y + 3 * line, product / squareRoot(variance));
      continue;
    }
    const value = step.p0 == KNOWN ? load<f32>(step.scale + i) : total(step.a + i, step.k, line) / count;
    store<f32>(y, value);
    if (step.p0 == MEAN) continue;
    const gamma: f32 = step.gamma ? load<f32>(step.gamma + i) : 1;
    store<f32>(y + line, gamma / squareRoot(value + step.epsilon));
  }
}

function total(from: usize, count: i32, stride: usize): f32 {
  let all: f32 = 0;
  for (let row = 0; row < count; row++) {
    all += load<f32>(from);
    from += stride;
  }
  return all;
}

/** y = (a - bias) · scale + beta: bias the channels' mean, scale what channelTotals has made of their variance. */
export function normalizeChannels(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  for (let row = first; row < end; row++) {
    const x = step.a + <usize>row * step.aStride;
    const y = step.y + <usize>row * step.yStride;
    let i: usize = 0;
    for (const end = bytes & ~31; i < end; i += 32) {
      const a = f32x4.sub(v128.load(x + i), v128.load(step.bias + i));
      const b = f32x4.sub(v128.load(x + i, 16), v128.load(step.bias + i, 16));
      const l = f32x4.add(f32x4.mul(a, v128.load(step.scale + i)), v128.load(step.beta + i));
      const r = f32x4.add(f32x4.mul(b, v128.load(step.scale + i, 16)), v128.load(step.beta + i, 16));
      v128.store(y + i, l);
      v128.store(y + i, r, 16);
    }
    for (; i < bytes; i += 4) {
      const a = load<f32>(x + i) - load<f32>(step.bias + i);
      store<f32>(y + i, a * load<f32>(step.scale + i) + load<f32>(step.beta + i));
    }
  }
}

/** y = residual + scale · (b - z₀ - (a - bias) z₁), z being the lines of channelTotals for the gradient. */
export function normalizeGradient(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const second = step.z + (<usize>step.p1 << 2);
  for (let row = first; row < end; row++) {
    const x = step.a + <usize>row * step.aStride;
    const dy = step.b + <usize>row * step.bStride;
    const y = step.y + <usize>row * step.yStride;
    let i: usize = 0;
    for (const end = bytes & ~31; i < end; i += 32) {
      const a = f32x4.mul(f32x4.sub(v128.load(x + i), v128.load(step.bias + i)), v128.load(second + i));
      const b = f32x4.mul(f32x4.sub(v128.load(x + i, 16), v128.load(step.bias + i, 16)), v128.load(second + i, 16));
      const p = f32x4.sub(f32x4.sub(v128.load(dy + i), v128.load(step.z + i)), a);
      const q = f32x4.sub(f32x4.sub(v128.load(dy + i, 16), v128.load(step.z + i, 16)), b);
      const l = f32x4.mul(p, v128.load(step.scale + i));
      const r = f32x4.mul(q, v128.load(step.scale + i, 16));
      v128.store(y + i, l);
      v128.store(y + i, r, 16);
    }
    for (; i < bytes; i += 4) {
      const a = (load<f32>(x + i) - load<f32>(step.bias + i)) * load<f32>(second + i);
      store<f32>(y + i, (load<f32>(dy + i) - load<f32>(step.z + i) - a) * load<f32>(step.scale + i));
    }
    if (step.residual) addFloats(step.residual + <usize>row * step.residualStride, y, bytes);
  }
}

/** y = y · epsilon + a · (1 - epsilon): a running mean of a batch's statistics. */
export function moveMean(step: Step): void {
  const keeps = step.epsilon;
  for (let i: usize = 0; i < <usize>step.n << 2; i += 4) {
    store<f32>(step.y + i, load<f32>(step.y + i) * keeps + load<f32>(step.a + i) * (<f32>1 - keeps));
  }
}

/** y = a · b's row of the image, and the residual; an image has imageRows rows of a. */
export function gate(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  for (let row = first; row < end; row++) {
    const x = step.a + <usize>row * step.aStride;
    const factors = step.b + <usize>(row / step.imageRows) * step.bStride;
    const y = step.y + <usize>row * step.yStride;
    let i: usize = 0;
    for (const end = bytes & ~31; i < end; i += 32) {
      const l = f32x4.mul(v128.load(x + i), v128.load(factors + i));
      const r = f32x4.mul(v128.load(x + i, 16), v128.load(factors + i, 16));
      v128.store(y + i, l);
      v128.store(y + i, r, 16);
    }
    for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * load<f32>(factors + i));
    if (step.residual) addFloats(step.residual + <usize>row * step.residualStride, y, bytes);
  }
}

/** The gradient of gate's factors: y [images] = Σ a · b over the rows of an image. */
export function gateGradient(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  for (let image = first; image < end; image++) {
    const y = step.y + <usize>image * step.yStride;
    memory.fill(y, 0, bytes);
    for (let r = 0; r < step.imageRows; r++) {
      const row = <usize>(image * step.imageRows + r);
      const a = step.a + row * step.aStride;
      const b = step.b + row * step.bStride;
      addProducts(a, b, y, bytes);
    }
  }
}
