/**
 * Constant parts of a forward pass, folded into the weights before and behind them, so that a graph computes the same
 * with fewer operations.
 */
import { concatFloats } from '../../../src/concat.js';

/** y = x · kernel + bias, with kernel [rows, cols] row by row. */
export interface Linear {
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}

/** (x̂·γ + β) · W + b = x̂ · (γ ⊙ W) + (β · W + b), with γ along the rows of W. */
export function foldNorm({ kernel, bias }: Linear, gamma: Float32Array, beta: Float32Array): Linear {
  const cols = bias.length;
  const scaled = new Float32Array(kernel.length);
  for (let i = 0, at = 0; i < gamma.length; i++) {
    for (let j = 0; j < cols; j++, at++) scaled[at] = kernel[at]! * gamma[i]!;
  }
  return { kernel: scaled, bias: addProduct(bias, beta, kernel) };
}

/** bias + x · kernel, summed in double precision. */
export function addProduct(bias: Float32Array, x: Float32Array, kernel: Float32Array): Float32Array {
  const sum = Float64Array.from(bias);
  for (let i = 0, at = 0; i < x.length; i++) {
    for (let j = 0; j < sum.length; j++, at++) sum[j]! += x[i]! * kernel[at]!;
  }
  return Float32Array.from(sum);
}

/** Multiplies the columns by LayerScale's gamma, if there is one. */
export function scaleColumns({ kernel, bias }: Linear, gamma: Float32Array | null): Linear {
  if (gamma === null) return { kernel, bias };
  const cols = bias.length;
  return {
    kernel: kernel.map((v, i) => v * gamma[i % cols]!),
    bias: bias.map((v, i) => v * gamma[i % cols]!),
  };
}

/** Takes each row's mean off. */
export function centreRows(x: Float32Array, cols: number): Float32Array {
  const centred = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += cols) {
    let sum = 0;
    for (let j = row; j < row + cols; j++) sum += x[j]!;
    const mean = sum / cols;
    for (let j = row; j < row + cols; j++) centred[j] = x[j]! - mean;
  }
  return centred;
}

/** What a linear map writes, its mean over the columns taken off. */
export function centreOutput({ kernel, bias }: Linear): Linear {
  return { kernel: centreRows(kernel, bias.length), bias: centreRows(bias, bias.length) };
}

/** Columns [start, start + count) of a linear map. */
export function columns({ kernel, bias }: Linear, start: number, count: number): Linear {
  const cols = bias.length;
  const rows = kernel.length / cols;
  const part = new Float32Array(rows * count);
  for (let i = 0; i < rows; i++) {
    part.set(kernel.subarray(i * cols + start, i * cols + start + count), i * count);
  }
  return { kernel: part, bias: bias.slice(start, start + count) };
}

/** A linear map of several inputs side by side, each of its own map, that gives the mean of what they give. */
export function meanOf(maps: readonly Linear[]): Linear {
  const [first] = maps as [Linear];
  if (maps.length === 1) return first;
  const kernel = concatFloats(maps.map((map) => map.kernel));
  const bias = first.bias.map((_, i) => maps.reduce((sum, map) => Math.fround(sum + map.bias[i]!), 0));
  return multiplied({ kernel, bias }, 1 / maps.length);
}

export function multiplied({ kernel, bias }: Linear, factor: number): Linear {
  return { kernel: kernel.map((v) => v * factor), bias: bias.map((v) => v * factor) };
}

export function addTo(target: Float32Array, x: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += x[i]!;
}

/** Kernels [D, heads · size], one behind the other as [kernels, heads, D, size]. */
export function stackHeads(kernels: readonly Float32Array[], d: number, size: number): Float32Array {
  const stacked = new Float32Array(kernels.length * d * d);
  let at = 0;
  for (const kernel of kernels) {
    for (let column = 0; column < d; column += size) {
      for (let row = column; row < d * d; row += d) {
        stacked.set(kernel.subarray(row, row + size), at);
        at += size;
      }
    }
  }
  return stacked;
}

/**
 * The kernel that gives a constant query's score of each head, [D, heads]: column h is Σ over the head's width of the
 * key's columns times the query.
 */
export function scoreKernel(key: Float32Array, query: Float32Array, heads: number): Float32Array {
  const d = query.length;
  const size = d / heads;
  const kernel = new Float32Array(d * heads);
  for (let row = 0; row < d; row++) {
    for (let h = 0; h < heads; h++) {
      let sum = 0;
      for (let j = h * size; j < (h + 1) * size; j++) sum += key[row * d + j]! * query[j]!;
      kernel[row * heads + h] = sum;
    }
  }
  return kernel;
}
