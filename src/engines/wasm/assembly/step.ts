/** A step of a program, as src/engines/wasm/words.ts writes it. Addresses in bytes, 0 for what is not there. */

/** How the values of an operand lie. */
/** In the arena, row by row. */
export const ROWS_SHARED: i32 = 0;
/** In the thread's own memory, row by row: the rows of the task at hand. */
export const ROWS_OWN: i32 = 1;
/** In the thread's own memory, in panels of ROWS rows: the rows of the task at hand. */
export const PANELS_OWN: i32 = 2;

// @ts-ignore: decorator
@unmanaged
export class Step {
  op: i32;
  /** Left operand: its address (an offset in the thread's own memory where it lies there), stride in bytes and kind. */
  x: usize;
  xStride: usize;
  xKind: i32;
  k: i32;
  n: i32;
  /** Packed weights, bias and scale, filled up with zeros to whole tiles; bias is never missing. */
  w: usize;
  bias: usize;
  activation: i32;
  scale: usize;
  /** Added last, row by row in the arena. */
  residual: usize;
  residualStride: usize;
  y: usize;
  yStride: usize;
  yKind: i32;
  /** Of a layer norm before the product, or of the layer norm that the step is. */
  gamma: usize;
  beta: usize;
  epsilon: f32;
  /** Where in the thread's own memory the panels of the left operand lie. */
  panels: usize;
  /** Rows of x, the last of which stands for those past it. */
  rows: i32;
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
  p10: i32;
  p11: i32;
}

/** Bytes of a step. */
export const STEP_BYTES: usize = 128;
