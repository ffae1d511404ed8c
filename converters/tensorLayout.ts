import { concatFloats } from '../src/concat.js';

type ConvolutionShape = readonly [number, number, number, number];

function isMatrix(shape: readonly number[]): shape is readonly [number, number] {
  return shape.length === 2;
}

/** Rows and columns moved at a time, so that both sides of the transposition stay in the cache. */
const TILE = 32;

/**
 * PyTorch's matrix [out, in] → tfjs' [in, out]; PyTorch's convolution [D, C, p, p] → tfjs' [p, p, C, D].
 * Both move the first axis to the end; a convolution's channels go behind its rows and columns too.
 */
export function toTfjsLayout(values: Float32Array, shape: readonly number[]): Float32Array {
  if (isMatrix(shape)) return transpose(values, shape[0], shape[1]);
  const [dim, channels, height, width] = shape as ConvolutionShape;
  const area = height * width;
  return transpose(transposeEach(values, channels, area), dim, area * channels);
}

/** [rows, columns] → [columns, rows]. */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r0 = 0; r0 < rows; r0 += TILE) {
    for (let c0 = 0; c0 < columns; c0 += TILE) {
      const [r1, c1] = [Math.min(r0 + TILE, rows), Math.min(c0 + TILE, columns)];
      for (let r = r0; r < r1; r++) {
        for (let c = c0; c < c1; c++) out[c * rows + r] = values[r * columns + c]!;
      }
    }
  }
  return out;
}

/** Matrices of [rows, columns] behind each other, each transposed. */
function transposeEach(values: Float32Array, rows: number, columns: number): Float32Array {
  const size = rows * columns;
  const matrices = Array.from({ length: values.length / size }, (_, i) =>
    transpose(values.subarray(i * size, (i + 1) * size), rows, columns),
  );
  return concatFloats(matrices);
}

/** The way back from toTfjsLayout: `shape` is PyTorch's, [out, in] or [D, C, p, p]. */
export function toTorchLayout(values: Float32Array, shape: readonly number[]): Float32Array {
  if (isMatrix(shape)) return transpose(values, shape[1], shape[0]);
  const [dim, channels, height, width] = shape as ConvolutionShape;
  const area = height * width;
  return transposeEach(transpose(values, area * channels, dim), area, channels);
}

/** tfjs' shape [in, out] or [p, p, C, D] → PyTorch's [out, in] or [D, C, p, p]. */
export function torchShape(shape: readonly number[]): number[] {
  if (isMatrix(shape)) return [shape[1], shape[0]];
  const [height, width, channels, dim] = shape as ConvolutionShape;
  return [dim, channels, height, width];
}
