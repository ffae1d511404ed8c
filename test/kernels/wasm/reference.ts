/** The kernels' mathematics in float64, by the definitions, and random data with a seed. */
import * as tf from '@tensorflow/tfjs-core';

/** Standard normal values (mulberry32, Box–Muller). */
export function randomNormals(size: number, seed: number): Float32Array {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return Float32Array.from(
    { length: size },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** The error function: its Taylor series where that converges quickly, else the continued fraction of erfc. */
export function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * sum; n++) {
      term *= -(x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = x;
  for (let n = 80; n > 0; n--) fraction = x + n / 2 / fraction;
  return 1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

export function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** d gelu(x) / dx. */
export function geluSlope(x: number): number {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  return 0.5 * (1 + erf(x / Math.SQRT2)) + x * density;
}

export interface LinearOperands {
  x: Float32Array;
  kernel: Float32Array;
  bias?: Float32Array;
  scale?: Float32Array;
  residual?: Float32Array;
  useGelu?: boolean;
}

/** y [m, n] = activation(x [m, k] · kernel [k, n] + bias) * scale + residual */
export function linear(m: number, k: number, n: number, operands: LinearOperands): Float64Array {
  const { x, kernel, bias, scale, residual, useGelu } = operands;
  const y = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    const row = y.subarray(i * n, (i + 1) * n);
    for (let l = 0; l < k; l++) {
      const factor = x[i * k + l]!;
      for (let j = 0; j < n; j++) row[j]! += factor * kernel[l * n + j]!;
    }
    for (let j = 0; j < n; j++) {
      const sum = row[j]! + (bias?.[j] ?? 0);
      const added = residual ? residual[(i * n + j) % residual.length]! : 0;
      row[j] = (useGelu ? gelu(sum) : sum) * (scale?.[j] ?? 1) + added;
    }
  }
  return y;
}

export function layerNorm(x: Float32Array, gamma: Float32Array, beta: Float32Array, epsilon: number) {
  const d = gamma.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += d) {
    const row = x.subarray(start, start + d);
    const mean = row.reduce((sum, value) => sum + value, 0) / d;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / d;
    row.forEach((value, i) => {
      y[start + i] = ((value - mean) / Math.sqrt(variance + epsilon)) * gamma[i]! + beta[i]!;
    });
  }
  return y;
}

/** softmax(q kᵀ / √d) v of qkv [b, t, 3, heads, d] → [b, t, heads, d] */
export function attention(qkv: Float32Array, b: number, t: number, heads: number, d: number): Float64Array {
  const width = heads * d;
  const y = new Float64Array(b * t * width);
  const at = (batch: number, token: number, part: number, head: number) =>
    ((batch * t + token) * 3 + part) * width + head * d;
  for (let batch = 0; batch < b; batch++) {
    for (let head = 0; head < heads; head++) {
      for (let query = 0; query < t; query++) {
        const scores = Array.from({ length: t }, (_, key) => {
          let sum = 0;
          for (let i = 0; i < d; i++)
            sum += qkv[at(batch, query, 0, head) + i]! * qkv[at(batch, key, 1, head) + i]!;
          return sum / Math.sqrt(d);
        });
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const start = (batch * t + query) * width + head * d;
        for (let key = 0; key < t; key++) {
          for (let i = 0; i < d; i++)
            y[start + i]! += (weights[key]! / total) * qkv[at(batch, key, 2, head) + i]!;
        }
      }
    }
  }
  return y;
}

/** Patches of x [b, h, w, c] as rows [b · h/p · w/p, p · p · c]. */
export function patches(
  x: Float32Array,
  b: number,
  h: number,
  w: number,
  c: number,
  p: number,
): Float32Array {
  return tf.tidy(() => {
    const split = tf.reshape(tf.tensor(x), [b, h / p, p, w / p, p, c]);
    return tf.transpose(split, [0, 1, 3, 2, 4, 5]).dataSync().slice() as Float32Array;
  });
}

/** The largest difference, as a fraction of the largest value expected. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    // Math.max keeps a NaN, so that none passes for equal.
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return largest > 0 ? difference / largest : difference;
}
