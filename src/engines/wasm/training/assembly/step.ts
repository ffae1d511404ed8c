/** A step of a training program, as src/engines/wasm/training/steps.ts writes it. Addresses in bytes, 0 for what is not there. */

/** How a product's operands lie. */
/** As the product reads them: a [m, k], b [k, n]. */
export const STRAIGHT: i32 = 0;
/** Transposed: a [k, m], b [n, k]. */
export const TRANSPOSED: i32 = 1;

// @ts-ignore: decorator
@unmanaged
export class Step {
  op: i32;
  /** Its tasks: parts of its units (tiles of rows, chunks, rows, heads) times parts of its columns. */
  rowParts: i32;
  columnParts: i32;
  units: i32;
  /** Rows and columns of the result, and the inner dimension. */
  m: i32;
  n: i32;
  k: i32;
  /** Operands, with strides in bytes from row to row. */
  a: usize;
  aStride: usize;
  aKind: i32;
  b: usize;
  bStride: usize;
  bKind: i32;
  y: usize;
  yStride: usize;
  /** What stood before an activation: written by the forward pass, read by the backward pass. */
  z: usize;
  zStride: usize;
  /** Filled up with zeros to whole tiles. */
  bias: usize;
  activation: i32;
  scale: usize;
  /** Added last. */
  residual: usize;
  residualStride: usize;
  /** A factor for each image, which has `imageRows` rows. */
  factors: usize;
  imageRows: i32;
  /** Where the sums of b's columns go. */
  sums: usize;
  /** Whether y has m rows of n floats and nothing between or behind them: weights' gradients. */
  exact: i32;
  /** Address of a word: not zero if gradients of weights are added to what is there. */
  accumulate: usize;
  epsilon: f32;
  gamma: usize;
  beta: usize;
  /** Further numbers; each op says which. */
  p0: i32;
  p1: i32;
  p2: i32;
  p3: i32;
  p4: i32;
  p5: i32;
  p6: i32;
  p7: i32;
  p8: i32;
  p9: i32;
}

/** Bytes of a step. */
export const STEP_BYTES: usize = 160;

/** Whether gradients of weights are added to what is there. */
// @ts-ignore: decorator
@inline
export function accumulates(step: Step): bool {
  return step.accumulate != 0 && load<i32>(step.accumulate) != 0;
}
