/** Derivatives of the activations. Each constant is one float, spread over a vector as it is loaded (see math.ts). */
import { GELU, GELU_TANH, QUICK_GELU, RELU, SILU, TANH } from '../../assembly/epilogue';
import { exp2, tanh } from '../../assembly/math';
import { madd } from '../../../../kernels/wasm/assembly/simd';

const CONSTANTS: usize = memory.data<f32>([
  // log2 Φ(-a) on [0, 6], from the highest power down, and its end
  -1.9021497337234905e-6, 2.805792973958887e-5, -0.0001314778783125803, -0.0002720645279623568, 0.00724540650844574,
  -0.052627600729465485, -0.4591621458530426, -1.1511110067367554, -1, 6,
  // -log2(e) / 2, 1 / √(2π), 1/2
  -0.7213475204444817, 0.3989422804014327, 0.5,
  // -log2 e, -1.702 log2 e, -2 √(2/π) log2 e, -2 √(2/π) log2 e · 0.044715, and the largest exponent
  -1.4426950408889634, -2.4554669595930156, -2.302208198144325, -0.1029432395800235, 126,
  // 1.702, 2 √(2/π), 2 √(2/π) · 3 · 0.044715, 1
  1.702, 1.5957691216057308, 0.21406444881780076, 1,
]);

// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return v128.load32_splat(CONSTANTS + (i << 2));
}

/** Φ(x) + x φ(x), to 1e-6. Φ(-|x|) as in gelu. */
// @ts-ignore: decorator
@inline
function geluSlope(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), constant(9));
  const a2 = f32x4.mul(a, a);
  const a4 = f32x4.mul(a2, a2);
  const p76 = madd(constant(1), a, constant(2));
  const p54 = madd(constant(3), a, constant(4));
  const p32 = madd(constant(5), a, constant(6));
  const p10 = madd(constant(7), a, constant(8));
  const high = madd(madd(constant(0), a2, p76), a2, p54);
  const tail = exp2(madd(high, a4, madd(p32, a2, p10)));
  // 1/2 ± (1/2 - tail), by the sign of x.
  const half = constant(12);
  const sign = v128.and(x, f32x4.splat(-0.0));
  const cdf = f32x4.add(half, v128.or(f32x4.sub(half, tail), sign));
  const density = f32x4.mul(exp2(f32x4.mul(f32x4.mul(x, x), constant(10))), constant(11));
  return madd(x, density, cdf);
}

/** Beside those of the epilogue: no layer of ours ends in it but squeeze-and-excitation's. */
export const SIGMOID: i32 = 8;

/** 1 / (1 + e^-x) */
// @ts-ignore: decorator
@inline
export function logistic(x: v128): v128 {
  return sigmoid(f32x4.mul(x, constant(13)));
}

// @ts-ignore: decorator
@inline
function logisticSlope(x: v128): v128 {
  const s = logistic(x);
  return f32x4.mul(s, f32x4.sub(constant(21), s));
}

/** 1 / (1 + 2^exponent) */
// @ts-ignore: decorator
@inline
function sigmoid(exponent: v128): v128 {
  const one = constant(21);
  return f32x4.div(one, f32x4.add(one, exp2(f32x4.pmin(exponent, constant(17)))));
}

/** s + x s (1 - s) inner, for x · s(inner'(x)) with s a sigmoid. */
// @ts-ignore: decorator
@inline
function gateSlope(x: v128, s: v128, inner: v128): v128 {
  return madd(f32x4.mul(f32x4.mul(x, s), f32x4.sub(constant(21), s)), inner, s);
}

/** silu'(x) */
// @ts-ignore: decorator
@inline
export function siluSlope(x: v128): v128 {
  return gateSlope(x, sigmoid(f32x4.mul(x, constant(13))), constant(21));
}

// @ts-ignore: decorator
@inline
function quickGeluSlope(x: v128): v128 {
  return gateSlope(x, sigmoid(f32x4.mul(x, constant(14))), constant(18));
}

// @ts-ignore: decorator
@inline
function geluTanhSlope(x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  const s = sigmoid(f32x4.mul(x, madd(x2, constant(16), constant(15))));
  return gateSlope(x, s, madd(x2, constant(20), constant(19)));
}

/** 1 where x > 0, else 0. */
// @ts-ignore: decorator
@inline
function reluSlope(x: v128): v128 {
  return v128.and(f32x4.gt(x, f32x4.splat(0)), constant(21));
}

// @ts-ignore: decorator
@inline
function tanhSlope(x: v128): v128 {
  const t = tanh(x);
  return f32x4.sub(constant(21), f32x4.mul(t, t));
}

/** y = dy · activation'(z) of `count` values, in whole pairs of vectors. */
export function multiplyBySlopes(dy: usize, z: usize, activation: i32, count: i32, y: usize): void {
  const bytes = <usize>((count + 7) & ~7) << 2;
  switch (activation) {
    case GELU: {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.mul(v128.load(dy + i), geluSlope(v128.load(z + i)));
        const r = f32x4.mul(v128.load(dy + i, 16), geluSlope(v128.load(z + i, 16)));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
      return;
    }
    case GELU_TANH: {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.mul(v128.load(dy + i), geluTanhSlope(v128.load(z + i)));
        const r = f32x4.mul(v128.load(dy + i, 16), geluTanhSlope(v128.load(z + i, 16)));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
      return;
    }
    case QUICK_GELU: {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.mul(v128.load(dy + i), quickGeluSlope(v128.load(z + i)));
        const r = f32x4.mul(v128.load(dy + i, 16), quickGeluSlope(v128.load(z + i, 16)));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
      return;
    }
    case RELU: {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.mul(v128.load(dy + i), reluSlope(v128.load(z + i)));
        const r = f32x4.mul(v128.load(dy + i, 16), reluSlope(v128.load(z + i, 16)));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
      return;
    }
    case TANH: {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.mul(v128.load(dy + i), tanhSlope(v128.load(z + i)));
        const r = f32x4.mul(v128.load(dy + i, 16), tanhSlope(v128.load(z + i, 16)));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
      return;
    }
    case SILU: {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.mul(v128.load(dy + i), siluSlope(v128.load(z + i)));
        const r = f32x4.mul(v128.load(dy + i, 16), siluSlope(v128.load(z + i, 16)));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
      return;
    }
    case SIGMOID: {
      for (let i: usize = 0; i < bytes; i += 32) {
        const l = f32x4.mul(v128.load(dy + i), logisticSlope(v128.load(z + i)));
        const r = f32x4.mul(v128.load(dy + i, 16), logisticSlope(v128.load(z + i, 16)));
        v128.store(y + i, l);
        v128.store(y + i, r, 16);
      }
      return;
    }
    default:
      unreachable();
  }
}
