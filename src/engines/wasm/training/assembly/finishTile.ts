/** What is done to a tile of sums on its way to the output. */
import { activate, addTile, copyTile, NONE, scaleTile } from '../../assembly/epilogue';
import { COLS, COLS_BYTES, ROWS } from '../../assembly/micro';
import { Step } from './step';

/** Whether sums are the output as they are. */
export function isPlain(step: Step): bool {
  return (
    step.activation == NONE && step.z == 0 && step.scale == 0 && step.factors == 0 && step.residual == 0
  );
}

/**
 * @param tile [ROWS][COLS], overwritten
 * @param row the tile's first row
 * @param adds whether it is added to what y has
 */
export function finishTile(step: Step, tile: usize, row: i32, panel: i32, adds: bool): void {
  const offset = <usize>panel * COLS_BYTES;
  if (step.z) copyTile(tile, step.z + <usize>row * step.zStride + offset, step.zStride);
  activate(tile, step.activation);
  if (step.scale) scaleTile(tile, step.scale + offset);
  if (step.factors) scaleRows(step, tile, row);
  if (step.residual) {
    const residual = step.residual + <usize>row * step.residualStride + offset;
    addTile(tile, residual, step.residualStride, tile, COLS_BYTES);
  }
  const y = step.y + <usize>row * step.yStride + offset;
  if (!step.exact) {
    copyTile(tile, y, step.yStride);
    return;
  }
  const rows = min(ROWS, step.m - row);
  const columns = min(COLS, step.n - panel * COLS);
  for (let i = 0; i < rows; i++) {
    const from = tile + <usize>i * COLS_BYTES;
    const to = y + <usize>i * step.yStride;
    for (let at: usize = 0; at < <usize>columns << 2; at += 4) {
      const value = load<f32>(from + at);
      store<f32>(to + at, adds ? load<f32>(to + at) + value : value);
    }
  }
}

/** Each row times its image's factor. */
function scaleRows(step: Step, tile: usize, first: i32): void {
  for (let row = 0; row < ROWS; row++) {
    const image = min(first + row, step.m - 1) / step.imageRows;
    const factor = v128.load32_splat(step.factors + (<usize>image << 2));
    for (let i: usize = 0; i < COLS_BYTES; i += 32) {
      const l = f32x4.mul(v128.load(tile + i), factor);
      const r = f32x4.mul(v128.load(tile + i, 16), factor);
      v128.store(tile + i, l);
      v128.store(tile + i, r, 16);
    }
    tile += COLS_BYTES;
  }
}
