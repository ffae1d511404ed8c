import { hadamardSize } from '../../ops/hadamardSize.js';
import type { WeightReader } from '../types.js';
import { checkConfig, type VitConfig } from './config.js';
import { type WeightSpec, weightSpecs } from './weights.js';

/** A matrix as whole numbers from -127 to 127, float32 [K, N] row by row, with a scale for each column. */
export interface MatrixCodes {
  codes: Float32Array;
  scale: Float32Array;
}

type Matrix = readonly [rows: number, columns: number];

const LARGEST_CODE = 127;
/** Largest code of an activation that multiplies the weights. */
const LARGEST_ACTIVATION = 127;
/** Offsets, in every eight rows of a column, of weights whose products are added in 16 bits. */
const ADDED_ROWS = [
  [0, 1, 4, 5],
  [2, 3, 6, 7],
];
/** Four weights of one sign may add up to this: four products then stay within 16 bits. */
const LARGEST_SUM = Math.floor(32767 / LARGEST_ACTIVATION);

/**
 * Quantizes a matrix: W ≈ (H / n) · codes · diag(scale), so that x W ≈ (x H) · codes · diag(scale) with the rotation H
 * of src/ops/quantizedLinear.ts: outliers of the weights and of the activations are spread over n rows.
 *
 * Each scale is the smallest with which no code is beyond ±127, and no sum of four products, as the relaxed dot product
 * and the addition after it make them, can leave 16 bits: so the sums are the same on every machine.
 *
 * @param values float32 [k, n]
 */
export function quantizeMatrix(values: Float32Array, k: number, n: number): MatrixCodes {
  const rotated = hadamardColumns(values, k, n);
  const scale = columnScales(rotated, k, n);
  const inverse = scale.map((step) => 1 / step);
  for (let start = 0; start < k * n; start += n) {
    for (let column = 0; column < n; column++) {
      // As Math.round, whose -0 is 0 here, which is what a byte gives back.
      rotated[start + column] = Math.floor(rotated[start + column]! * inverse[column]! + 0.5) + 0;
    }
  }
  return { codes: rotated, scale };
}

/** (H / n) W: its own inverse up to the factor n, which is a power of 4. */
function hadamardColumns(values: Float32Array, k: number, n: number): Float32Array {
  const size = hadamardSize(k);
  const rotated = new Float32Array(values.length);
  for (let i = 0; i < rotated.length; i++) rotated[i] = values[i]! / size;
  const distance = (k / size) * n;
  for (let quarter = 1; quarter < size; quarter *= 4) {
    const step = quarter * distance;
    for (let start = 0; start < rotated.length; start += 4 * step) {
      for (let i = start; i < start + step; i++) combineFour(rotated, i, step);
    }
  }
  return rotated;
}

const { fround } = Math;

/** Two steps of the transform at once: values `step` apart, then sums and differences 2 · step apart. */
function combineFour(values: Float32Array, i: number, step: number): void {
  const [j, l, m] = [i + step, i + 2 * step, i + 3 * step];
  const sum = fround(values[i]! + values[j]!);
  const difference = fround(values[i]! - values[j]!);
  const otherSum = fround(values[l]! + values[m]!);
  const otherDifference = fround(values[l]! - values[m]!);
  values[i] = sum + otherSum;
  values[j] = difference + otherDifference;
  values[l] = sum - otherSum;
  values[m] = difference - otherDifference;
}

/** The matrix that codes stand for: H · codes · diag(scale), float32 [k, n]. */
export function dequantizeMatrix({ codes, scale }: MatrixCodes, k: number, n: number): Float32Array {
  const size = hadamardSize(k);
  return hadamardColumns(
    codes.map((code, i) => code * scale[i % n]! * size),
    k,
    n,
  );
}

function columnScales(values: Float32Array, k: number, n: number): Float32Array {
  const largest = new Float32Array(n);
  const sums = new Float32Array(n);
  for (let row = 0; row < k; row += 8) {
    for (const added of ADDED_ROWS) {
      const rows = added.filter((offset) => row + offset < k).length;
      widenScales(values.subarray((row + added[0]!) * n), rows, n, largest, sums);
    }
  }
  // Rounding may add a half to each of four codes.
  return largest.map((most, column) => Math.max(most / LARGEST_CODE, sums[column]! / (LARGEST_SUM - 2)) || 1);
}

/**
 * Takes rows whose products are added (at 0, 1, 4 and 5, or the first of these): the largest value of each column, and the
 * larger sum of one sign.
 */
function widenScales(
  values: Float32Array,
  rows: number,
  n: number,
  largest: Float32Array,
  sums: Float32Array,
): void {
  for (let column = 0; column < n; column++) {
    let positive = 0;
    let all = 0;
    let most = largest[column]!;
    for (let at = column, row = 0; row < rows; row++, at += row === 2 ? 3 * n : n) {
      const value = values[at]!;
      const size = Math.abs(value);
      if (value > 0) positive = fround(positive + value);
      all = fround(all + size);
      if (size > most) most = size;
    }
    largest[column] = most;
    const larger = Math.max(positive, all - positive);
    if (larger > sums[column]!) sums[column] = larger;
  }
}

/** A model's shape and weights, wherever they come from. */
interface Source {
  readonly config: VitConfig;
  readonly readWeight: WeightReader;
}

/** The same model with the matrices of its blocks quantized as they are read; a quantized one as it is. */
export function quantize<S extends Source>(source: S): S {
  if (source.config.quantization) return source;
  const config: VitConfig = { ...source.config, quantization: 'int8' };
  checkConfig(config);
  return { ...source, config, readWeight: quantizedReader(config, source.readWeight) };
}

/** Codes and scale come of one reading: the scale, which follows its codes, waits for its turn. */
function quantizedReader(config: VitConfig, read: WeightReader): WeightReader {
  const specs = new Map(weightSpecs(config).map((spec) => [spec.name, spec]));
  const scales = new Map<string, Float32Array>();
  const quantizeWeight = async ({ name, shape }: WeightSpec) => {
    const [k, n] = shape as Matrix;
    const { codes, scale } = quantizeMatrix(await read(name), k, n);
    scales.set(scaleOf(name), scale);
    return codes;
  };
  return async (name) => {
    const spec = specs.get(name);
    if (spec?.codes) return quantizeWeight(spec);
    const kernel = specs.get(name.replace(/\.scale$/, '.kernel'));
    if (!name.endsWith('.scale') || !kernel?.codes) return read(name);
    if (!scales.has(name)) await quantizeWeight(kernel);
    const scale = scales.get(name)!;
    scales.delete(name);
    return scale;
  };
}

/** A quantized model with float32 matrices again, for all that multiplies no codes; any other as it is. */
export function dequantize<S extends Source>(source: S): S {
  if (!source.config.quantization) return source;
  const { quantization: _, ...config } = source.config;
  const specs = new Map(weightSpecs(source.config).map((spec) => [spec.name, spec]));
  const readWeight: WeightReader = async (name) => {
    const values = await source.readWeight(name);
    const spec = specs.get(name);
    if (!spec?.codes) return values;
    const [k, n] = spec.shape as Matrix;
    return dequantizeMatrix({ codes: values, scale: await source.readWeight(scaleOf(name)) }, k, n);
  };
  return { ...source, config, readWeight };
}

function scaleOf(kernel: string): string {
  return kernel.replace(/\.kernel$/, '.scale');
}
