/** Columns of a tile. The build for 256-bit code has 16 in place of this file (see src/kernels/wasm/build.mjs). */
export const COLS: i32 = 8;
