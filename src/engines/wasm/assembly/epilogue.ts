/** What is done to a tile of sums on its way to the output: activation, scale, residual. */
import { coarseGelu, geluTanh, gelu, quickGelu, silu, tanh } from './math';
import { COLS_BYTES, ROWS } from './micro';
import { packTile } from './pack';
import { PANELS_OWN, Step } from './step';

export const NONE: i32 = 0;
export const GELU: i32 = 1;
export const GELU_TANH: i32 = 2;
export const QUICK_GELU: i32 = 3;
export const RELU: i32 = 4;
export const TANH: i32 = 5;
export const SILU: i32 = 6;
export const COARSE_GELU: i32 = 7;

/** Whether sums are the output as they are. */
export function endsPlainly(step: Step): bool {
  return step.activation == NONE && step.scale == 0 && step.residual == 0 && step.yKind != PANELS_OWN;
}

/**
 * @param tile [ROWS][COLS], overwritten
 * @param offset bytes of the columns before the tile's
 * @param residual the tile's first row of the residual, from its first column on, or 0
 * @param y the tile's first row of the output likewise; where it is made of panels, the tile's panel
 */
export function applyEpilogue(tile: usize, step: Step, offset: usize, residual: usize, y: usize): void {
  activate(tile, step.activation);
  if (step.scale) scaleTile(tile, step.scale + offset);
  if (step.yKind == PANELS_OWN) packTile(tile, y + offset * ROWS);
  else if (residual) addTile(tile, residual, step.residualStride, y, step.yStride);
  else copyTile(tile, y, step.yStride);
}

export function activate(tile: usize, activation: i32): void {
  const end = tile + COLS_BYTES * ROWS;
  switch (activation) {
    case GELU: {
      for (; tile < end; tile += 32) {
        const l = gelu(v128.load(tile));
        const r = gelu(v128.load(tile, 16));
        v128.store(tile, l);
        v128.store(tile, r, 16);
      }
      return;
    }
    case COARSE_GELU: {
      for (; tile < end; tile += 32) {
        const l = coarseGelu(v128.load(tile));
        const r = coarseGelu(v128.load(tile, 16));
        v128.store(tile, l);
        v128.store(tile, r, 16);
      }
      return;
    }
    case GELU_TANH: {
      for (; tile < end; tile += 32) {
        const l = geluTanh(v128.load(tile));
        const r = geluTanh(v128.load(tile, 16));
        v128.store(tile, l);
        v128.store(tile, r, 16);
      }
      return;
    }
    case QUICK_GELU: {
      for (; tile < end; tile += 32) {
        const l = quickGelu(v128.load(tile));
        const r = quickGelu(v128.load(tile, 16));
        v128.store(tile, l);
        v128.store(tile, r, 16);
      }
      return;
    }
    case RELU: {
      for (; tile < end; tile += 32) {
        const l = f32x4.pmax(v128.load(tile), f32x4.splat(0));
        const r = f32x4.pmax(v128.load(tile, 16), f32x4.splat(0));
        v128.store(tile, l);
        v128.store(tile, r, 16);
      }
      return;
    }
    case TANH: {
      for (; tile < end; tile += 32) {
        const l = tanh(v128.load(tile));
        const r = tanh(v128.load(tile, 16));
        v128.store(tile, l);
        v128.store(tile, r, 16);
      }
      return;
    }
    case SILU: {
      for (; tile < end; tile += 32) {
        const l = silu(v128.load(tile));
        const r = silu(v128.load(tile, 16));
        v128.store(tile, l);
        v128.store(tile, r, 16);
      }
      return;
    }
  }
}

export function scaleTile(tile: usize, scale: usize): void {
  for (let row = 0; row < ROWS; row++) {
    for (let i: usize = 0; i < COLS_BYTES; i += 32) {
      const l = f32x4.mul(v128.load(tile + i), v128.load(scale + i));
      const r = f32x4.mul(v128.load(tile + i, 16), v128.load(scale + i, 16));
      v128.store(tile + i, l);
      v128.store(tile + i, r, 16);
    }
    tile += COLS_BYTES;
  }
}

/** y = tile + residual, of which y may be the tile itself, with its stride of COLS_BYTES. */
export function addTile(tile: usize, residual: usize, residualStride: usize, y: usize, stride: usize): void {
  for (let row = 0; row < ROWS; row++) {
    for (let i: usize = 0; i < COLS_BYTES; i += 32) {
      const l = f32x4.add(v128.load(tile + i), v128.load(residual + i));
      const r = f32x4.add(v128.load(tile + i, 16), v128.load(residual + i, 16));
      v128.store(y + i, l);
      v128.store(y + i, r, 16);
    }
    tile += COLS_BYTES;
    residual += residualStride;
    y += stride;
  }
}

export function copyTile(tile: usize, y: usize, stride: usize): void {
  for (let row = 0; row < ROWS; row++) {
    for (let i: usize = 0; i < COLS_BYTES; i += 32) {
      const l = v128.load(tile + i);
      const r = v128.load(tile + i, 16);
      v128.store(y + i, l);
      v128.store(y + i, r, 16);
    }
    tile += COLS_BYTES;
    y += stride;
  }
}
