/** What is done to a tile of sums on its way to the output. */
import { ROWS } from './micro';
import { gelu } from './simd';

/** Eight columns of the output, and of what is added to and multiplied with them. Addresses; 0 for none. */
// @ts-ignore: decorator
@unmanaged
export class Target {
  /** The row of the output that the next tile begins with. */
  row: usize;
  /** Bytes from one row to the next, of the output and of the residual. */
  stride: usize;
  bias: usize;
  scale: usize;
  /** The first row of the residual; its rows are used over and over. */
  residual: usize;
  residualRow: i32;
  residualRows: i32;
  gelu: bool;
  /** Those of simd.ts. */
  constants: usize;
}

/**
 * Adds a tile [ROWS][8] to the output, or stores it if it is the `first` part of the sum; with the `last` part,
 * bias, activation, scale and residual follow. Leaves `target` at the next tile down.
 */
export function applyEpilogue(tile: usize, rows: i32, target: Target, first: bool, last: bool): void {
  if (!first) addRows(tile, rows, target.row, target.stride);
  if (last) epilogueRows(tile, rows, target);
  else copyRows(tile, rows, target.row, target.stride);
  target.row += <usize>rows * target.stride;
}

function addRows(tile: usize, rows: i32, from: usize, stride: usize): void {
  for (let row = 0; row < rows; row++) {
    v128.store(tile, f32x4.add(v128.load(tile), v128.load(from)));
    v128.store(tile, f32x4.add(v128.load(tile, 16), v128.load(from, 16)), 16);
    tile += 32;
    from += stride;
  }
}

function copyRows(tile: usize, rows: i32, to: usize, stride: usize): void {
  for (let row = 0; row < rows; row++) {
    v128.store(to, v128.load(tile));
    v128.store(to, v128.load(tile, 16), 16);
    tile += 32;
    to += stride;
  }
}

function epilogueRows(tile: usize, rows: i32, target: Target): void {
  const zero = f32x4.splat(0);
  const bias = target.bias;
  const scale = target.scale;
  const stride = target.stride;
  const left = bias ? v128.load(bias) : zero;
  const right = bias ? v128.load(bias, 16) : zero;
  const constants = target.constants;
  let to = target.row;
  let residualRow = target.residualRow;
  for (let row = 0; row < rows; row++) {
    let l = f32x4.add(v128.load(tile), left);
    let r = f32x4.add(v128.load(tile, 16), right);
    if (target.gelu) {
      l = gelu(l, constants);
      r = gelu(r, constants);
    }
    if (scale) {
      l = f32x4.mul(l, v128.load(scale));
      r = f32x4.mul(r, v128.load(scale, 16));
    }
    if (target.residual) {
      const from = target.residual + <usize>residualRow * stride;
      l = f32x4.add(l, v128.load(from));
      r = f32x4.add(r, v128.load(from, 16));
      if (++residualRow == target.residualRows) residualRow = 0;
    }
    v128.store(to, l);
    v128.store(to, r, 16);
    tile += 32;
    to += stride;
  }
  target.residualRow = residualRow;
}
