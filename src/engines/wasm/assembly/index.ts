/** The exports of the engine's module. Addresses are bytes in its memory, which is imported. */
export { attentionScratchBytes, splitScratchBytes } from './attention';
export { linearScratchBytes } from './linear';
export { packColumns } from './pack';
export { execute } from './program';
export { codesBytes, codesFit, packCodes, packedCodesBytes, quantizedScratchBytes } from './quantized';
import { UNIT } from './codes';
import { COLS, multiplyTile, ROWS } from './micro';

/** Rows and columns of a tile. */
export function tileRows(): i32 {
  return ROWS;
}

export function tileColumns(): i32 {
  return COLS;
}

/** Codes in a lane of 32 bits. */
export function codeUnit(): i32 {
  return UNIT;
}

/** For the choice between builds: `times` tiles of depth k. */
export function timeTiles(a: usize, b: usize, k: i32, out: usize, times: i32): void {
  for (let i = 0; i < times; i++) multiplyTile(a, b, k, out, COLS << 2, out, COLS << 2);
}
