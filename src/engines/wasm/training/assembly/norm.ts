/** Layer norms and what multiplies a branch, forward and backward. */
import { NORM_BYTES, normalizeRow } from '../../assembly/norm';
import { squareRoot, sumLanes } from '../../../../kernels/wasm/assembly/simd';
import { accumulates, Step } from './step';

/** Rows whose sums are added up together: the same for any number of threads. */
const CHUNK: i32 = 32;

/** Rows of a chunk of those steps that leave sums for `reduce`. */
export function chunkRows(): i32 {
  return CHUNK;
}

export function normScratchBytes(): usize {
  return NORM_BYTES + 64;
}

/** Where part `r` of a's rows lies: each row holds p0 parts of n values, side by side. */
// @ts-ignore: decorator
@inline
function partOf(address: usize, stride: usize, step: Step, r: i32): usize {
  const inner = step.p0;
  if (inner == 1) return address + <usize>r * stride;
  return address + <usize>(r / inner) * stride + (<usize>((r % inner) * step.n) << 2);
}

/** y = norm(a) of m rows of n values; p0 parts side by side are a row. */
export function layerNorm(step: Step, first: i32, end: i32, scratch: usize): void {
  const last = min(end * CHUNK, step.m);
  for (let r = first * CHUNK; r < last; r++) {
    const x = partOf(step.a, step.aStride, step, r);
    const y = partOf(step.y, step.yStride, step, r);
    normalizeRow(x, step.n, step.gamma, step.beta, step.epsilon, y, scratch);
  }
}

/**
 * The gradient of y = norm(a), b being that of y: to y the gradient of a (unless it is 0), with the residual added; to
 * `sums` [chunks][2][p1 floats] (unless it is 0) each chunk's part of the gradients of gamma and beta.
 */
export function layerNormGradient(step: Step, first: i32, end: i32): void {
  const n = step.n;
  const bytes = <usize>n << 2;
  const line = <usize>step.p1 << 2;
  for (let chunk = first; chunk < end; chunk++) {
    const dGamma = step.sums ? step.sums + <usize>(2 * chunk) * line : 0;
    const dBeta = dGamma + line;
    if (dGamma) memory.fill(dGamma, 0, 2 * line);
    const last = min((chunk + 1) * CHUNK, step.m);
    for (let r = chunk * CHUNK; r < last; r++) {
      const x = partOf(step.a, step.aStride, step, r);
      const dy = partOf(step.b, step.bStride, step, r);
      const mean = sum(x, bytes) / <f32>n;
      const factor: f32 = <f32>1 / squareRoot(variance(x, bytes, mean) / <f32>n + step.epsilon);
      if (dGamma) addProducts(x, dy, bytes, mean, factor, dGamma, dBeta);
      if (step.y == 0) continue;
      const y = partOf(step.y, step.yStride, step, r);
      const residual = step.residual ? partOf(step.residual, step.residualStride, step, r) : 0;
      const first = dot(dy, step.gamma, bytes) / <f32>n;
      const second = (dotCentred(dy, step.gamma, x, mean, bytes) * factor) / <f32>n;
      inputGradient(x, dy, step.gamma, bytes, mean, factor, first, second, residual, y);
    }
  }
}

// @ts-ignore: decorator
@inline
function pairsOf(bytes: usize): usize {
  return bytes & ~31;
}

/** Sums of pairs of vectors, in one order whatever the width of the machine's vectors. */
// @ts-ignore: decorator
@inline
function total(l: v128, r: v128): f32 {
  return sumLanes(f32x4.add(l, r));
}

function sum(x: usize, bytes: usize): f32 {
  let l = f32x4.splat(0);
  let r = f32x4.splat(0);
  let i: usize = 0;
  for (const end = pairsOf(bytes); i < end; i += 32) {
    l = f32x4.add(l, v128.load(x + i));
    r = f32x4.add(r, v128.load(x + i, 16));
  }
  let all = total(l, r);
  for (; i < bytes; i += 4) all += load<f32>(x + i);
  return all;
}

function variance(x: usize, bytes: usize, mean: f32): f32 {
  const means = f32x4.splat(mean);
  let l = f32x4.splat(0);
  let r = f32x4.splat(0);
  let i: usize = 0;
  for (const end = pairsOf(bytes); i < end; i += 32) {
    const a = f32x4.sub(v128.load(x + i), means);
    const b = f32x4.sub(v128.load(x + i, 16), means);
    l = f32x4.add(l, f32x4.mul(a, a));
    r = f32x4.add(r, f32x4.mul(b, b));
  }
  let all = total(l, r);
  for (; i < bytes; i += 4) {
    const a = load<f32>(x + i) - mean;
    all += a * a;
  }
  return all;
}

function dot(a: usize, b: usize, bytes: usize): f32 {
  let l = f32x4.splat(0);
  let r = f32x4.splat(0);
  let i: usize = 0;
  for (const end = pairsOf(bytes); i < end; i += 32) {
    l = f32x4.add(l, f32x4.mul(v128.load(a + i), v128.load(b + i)));
    r = f32x4.add(r, f32x4.mul(v128.load(a + i, 16), v128.load(b + i, 16)));
  }
  let all = total(l, r);
  for (; i < bytes; i += 4) all += load<f32>(a + i) * load<f32>(b + i);
  return all;
}

/** Σ a b (x - mean) */
function dotCentred(a: usize, b: usize, x: usize, mean: f32, bytes: usize): f32 {
  const means = f32x4.splat(mean);
  let l = f32x4.splat(0);
  let r = f32x4.splat(0);
  let i: usize = 0;
  for (const end = pairsOf(bytes); i < end; i += 32) {
    const p = f32x4.mul(v128.load(a + i), v128.load(b + i));
    const q = f32x4.mul(v128.load(a + i, 16), v128.load(b + i, 16));
    l = f32x4.add(l, f32x4.mul(p, f32x4.sub(v128.load(x + i), means)));
    r = f32x4.add(r, f32x4.mul(q, f32x4.sub(v128.load(x + i, 16), means)));
  }
  let all = total(l, r);
  for (; i < bytes; i += 4) all += load<f32>(a + i) * load<f32>(b + i) * (load<f32>(x + i) - mean);
  return all;
}

/** dGamma += dy (x - mean) factor, dBeta += dy. */
function addProducts(
  x: usize, dy: usize, bytes: usize, mean: f32, factor: f32, dGamma: usize, dBeta: usize,
): void {
  const means = f32x4.splat(mean);
  const factors = f32x4.splat(factor);
  let i: usize = 0;
  for (const end = pairsOf(bytes); i < end; i += 32) {
    const a = v128.load(dy + i);
    const b = v128.load(dy + i, 16);
    const p = f32x4.mul(f32x4.sub(v128.load(x + i), means), factors);
    const q = f32x4.mul(f32x4.sub(v128.load(x + i, 16), means), factors);
    const l = f32x4.add(v128.load(dGamma + i), f32x4.mul(a, p));
    const r = f32x4.add(v128.load(dGamma + i, 16), f32x4.mul(b, q));
    v128.store(dGamma + i, l);
    v128.store(dGamma + i, r, 16);
    const s = f32x4.add(v128.load(dBeta + i), a);
    const t = f32x4.add(v128.load(dBeta + i, 16), b);
    v128.store(dBeta + i, s);
    v128.store(dBeta + i, t, 16);
  }
  for (; i < bytes; i += 4) {
    const d = load<f32>(dy + i);
    store<f32>(dGamma + i, load<f32>(dGamma + i) + d * ((load<f32>(x + i) - mean) * factor));
    store<f32>(dBeta + i, load<f32>(dBeta + i) + d);
  }
}

/** y = residual + factor (dy gamma - first - (x - mean) factor second) */
function inputGradient(
  x: usize, dy: usize, gamma: usize, bytes: usize, mean: f32, factor: f32, first: f32, second: f32, residual: usize,
  y: usize,
): void {
  const means = f32x4.splat(mean);
  const factors = f32x4.splat(factor);
  const firsts = f32x4.splat(first);
  const seconds = f32x4.splat(second);
  const added = residual ? residual : ZEROS;
  const moves: usize = residual ? ~0 : 0;
  let i: usize = 0;
  for (const end = pairsOf(bytes); i < end; i += 32) {
    const p = f32x4.mul(f32x4.sub(v128.load(x + i), means), factors);
    const q = f32x4.mul(f32x4.sub(v128.load(x + i, 16), means), factors);
    const g = f32x4.sub(f32x4.mul(v128.load(dy + i), v128.load(gamma + i)), firsts);
    const h = f32x4.sub(f32x4.mul(v128.load(dy + i, 16), v128.load(gamma + i, 16)), firsts);
    const a = f32x4.mul(f32x4.sub(g, f32x4.mul(p, seconds)), factors);
    const b = f32x4.mul(f32x4.sub(h, f32x4.mul(q, seconds)), factors);
    const l = f32x4.add(a, v128.load(added + (i & moves)));
    const r = f32x4.add(b, v128.load(added + (i & moves), 16));
    v128.store(y + i, l);
    v128.store(y + i, r, 16);
  }
  for (; i < bytes; i += 4) {
    const p = (load<f32>(x + i) - mean) * factor;
    const a = (load<f32>(dy + i) * load<f32>(gamma + i) - first - p * second) * factor;
    store<f32>(y + i, a + (residual ? load<f32>(residual + i) : 0));
  }
}

const ZEROS: usize = memory.data(32, 16);

/**
 * The gradient of a branch that is multiplied by `scale` [n] and by each image's factor (0 for none): y = b · scale ·
 * factor, b being the gradient of what came of it; to `sums` [chunks][p1 floats] (unless it is 0) each chunk's part of
 * the gradient of the scale, z being the branch before it.
 */
export function scaleGradient(step: Step, first: i32, end: i32): void {
  const bytes = <usize>step.n << 2;
  const line = <usize>step.p1 << 2;
  for (let chunk = first; chunk < end; chunk++) {
    const dScale = step.sums ? step.sums + <usize>chunk * line : 0;
    if (dScale) memory.fill(dScale, 0, line);
    const last = min((chunk + 1) * CHUNK, step.m);
    for (let r = chunk * CHUNK; r < last; r++) {
      const dy = step.b + <usize>r * step.bStride;
      const z = step.z + <usize>r * step.zStride;
      const y = step.y + <usize>r * step.yStride;
      const factor: f32 = step.factors ? load<f32>(step.factors + (<usize>(r / step.imageRows) << 2)) : 1;
      for (let i: usize = 0; i < bytes; i += 4) {
        const d = load<f32>(dy + i) * factor;
        if (dScale) store<f32>(dScale + i, load<f32>(dScale + i) + d * load<f32>(z + i));
        store<f32>(y + i, step.scale ? d * load<f32>(step.scale + i) : d);
      }
    }
  }
}

/** y [n] = the sums of a's k rows, in their order; added to what is there if gradients are. */
export function reduce(step: Step): void {
  const bytes = <usize>step.n << 2;
  const adds = accumulates(step);
  for (let i: usize = 0; i < bytes; i += 4) {
    let all: f32 = adds ? load<f32>(step.y + i) : 0;
    let from = step.a + i;
    for (let row = 0; row < step.k; row++) {
      all += load<f32>(from);
      from += step.aStride;
    }
    store<f32>(step.y + i, all);
  }
}
