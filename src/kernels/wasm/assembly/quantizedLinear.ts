/** y [m, n] = activation(scale · (codes of x · codes of w) + bias) * layerScale + residual, sums in whole numbers. */
import { copyPadded } from './pack';
import { multiplyCodes, WEIGHT_GROUP, weightOffset } from './integerProduct';
import { codesBytes, groupsOf, quantizeRows, ROW_PARAMETERS, rowBytes } from './quantizeRows';
import { gelu } from './simd';

/** What stands before the weights of a panel: the columns' scales (f32) and their weights' sums (i32). */
const PANEL_HEAD: usize = 64;
/** Codes of a block of rows stay within this, so that they are in the second-level cache for every panel. */
const BLOCK_BYTES: usize = 512 * 1024;

function panelBytes(k: i32): usize {
  return PANEL_HEAD + <usize>groupsOf(k) * WEIGHT_GROUP;
}

/** Bytes of a [k, n] matrix of codes in packed form. */
export function quantizedPackedBytes(k: i32, n: i32): usize {
  return <usize>((n + 7) / 8) * panelBytes(k);
}

/**
 * w [k, n], whole numbers as floats, row by row, and scale [n], into panels of 8 columns. Columns past n are zero.
 */
export function packQuantized(w: usize, scale: usize, k: i32, n: i32, packed: usize): void {
  memory.fill(packed, 0, quantizedPackedBytes(k, n));
  for (let column = 0; column < n; column += 8) {
    const valid = min(8, n - column);
    copyPadded(scale + (<usize>column << 2), valid, packed);
    for (let i = 0; i < k; i++) {
      const row = w + ((<usize>i * <usize>n + <usize>column) << 2);
      for (let c = 0; c < valid; c++) {
        const code = <i32>load<f32>(row + (<usize>c << 2));
        const to = packed + PANEL_HEAD + weightOffset(i, c);
        if (ASC_FEATURE_RELAXED_SIMD) store<i8>(to, <i8>code);
        else store<i16>(to, <i16>code);
        const sum = packed + 32 + (<usize>c << 2);
        store<i32>(sum, load<i32>(sum) + code);
      }
    }
    packed += panelBytes(k);
  }
}

/** What `quantizedLinear` needs beside its operands, and where it lies. */
// @ts-ignore: decorator
@unmanaged
export class Workspace {
  codes: usize;
  parameters: usize;
  row: usize;
  sums: usize;
  /** A panel of the output whose n is no multiple of 8, and its bias and layer scale. */
  edge: usize;
  /** Those of simd.ts. */
  constants: usize;
}

/** What is done with the sums. Addresses; 0 for none. */
// @ts-ignore: decorator
@unmanaged
export class Ending {
  bias: usize;
  gelu: bool;
  layerScale: usize;
  /** [m, n] */
  residual: usize;
}

function aligned(bytes: usize): usize {
  return (bytes + 63) & ~63;
}

/** Bytes of the workspace of matrices of at most m rows of at most k values. */
export function workspaceBytes(m: i32, k: i32, precise: i32): usize {
  const rows = <usize>(m + precise);
  return 64 + aligned(codesBytes(m + precise, k)) + aligned(rows * ROW_PARAMETERS) + aligned(rowBytes(k)) + (rows << 5) + 64;
}

/** Lays out a workspace at `at`, workspaceBytes(m, k, precise) bytes. */
export function layOutWorkspace(at: usize, m: i32, k: i32, precise: i32, constants: usize): Workspace {
  const workspace = changetype<Workspace>(at);
  const rows = <usize>(m + precise);
  workspace.constants = constants;
  workspace.codes = at + 64;
  workspace.parameters = workspace.codes + aligned(codesBytes(m + precise, k));
  workspace.row = workspace.parameters + aligned(rows * ROW_PARAMETERS);
  workspace.sums = workspace.row + aligned(rowBytes(k));
  workspace.edge = workspace.sums + (rows << 5);
  return workspace;
}

/** Rows that are worked on at a time: even over the blocks. */
function blockRows(m: i32, k: i32): i32 {
  const most = max(8, <i32>(BLOCK_BYTES / codesBytes(1, k)));
  const blocks = (m + most - 1) / most;
  return (m + blocks - 1) / blocks;
}

/**
 * @param x [m, k]
 * @param gamma of a layer norm before it, with beta and epsilon; 0 for none
 * @param precise how many of the first rows have 11 bits
 * @param w what packQuantized made
 * @param y [m, n]; may be the residual, but not x
 */
export function multiplyQuantized(
  x: usize, m: i32, k: i32, n: i32, gamma: usize, beta: usize, epsilon: f32, precise: i32,
  w: usize, ending: Ending, y: usize, workspace: Workspace,
): void {
  const height = blockRows(m, k);
  for (let row = 0; row < m; row += height) {
    const rows = min(height, m - row);
    const low = min(rows, max(0, precise - row));
    quantizeRows(
      x + ((<usize>row * <usize>k) << 2), rows, k, gamma, beta, epsilon, low,
      workspace.codes, workspace.parameters, workspace.row,
    );
    let panel = w;
    for (let column = 0; column < n; column += 8) {
      multiplyCodes(workspace.codes, <usize>(rows + low) << 4, rows + low, groupsOf(k), panel + PANEL_HEAD, workspace.sums);
      joinPrecise(workspace.sums, rows, low);
      finish(panel, row, rows, column, n, ending, y, workspace);
      panel += panelBytes(k);
    }
  }
}

/** The sums of the first rows: 16 times those of their high parts, and those of their low parts. */
function joinPrecise(sums: usize, rows: i32, precise: i32): void {
  let low = sums + (<usize>rows << 5);
  for (const end = sums + (<usize>precise << 5); sums < end; sums += 16, low += 16) {
    v128.store(sums, i32x4.add(i32x4.shl(v128.load(sums), 4), v128.load(low)));
  }
}

function finish(
  panel: usize, row: i32, rows: i32, column: i32, n: i32, ending: Ending, y: usize, workspace: Workspace,
): void {
  const offset = <usize>column << 2;
  const stride = <usize>n << 2;
  const start = <usize>row * stride + offset;
  let bias = ending.bias ? ending.bias + offset : 0;
  let layerScale = ending.layerScale ? ending.layerScale + offset : 0;
  const residual = ending.residual ? ending.residual + start : 0;
  if (column + 8 <= n) {
    finishRows(panel, rows, bias, ending.gelu, layerScale, residual, stride, y + start, stride, workspace);
    return;
  }
  // The edge: in place of the sums, then copied, so that nothing past a row is read or written.
  const valid = n - column;
  if (bias) {
    copyPadded(bias, valid, workspace.edge);
    bias = workspace.edge;
  }
  if (layerScale) {
    copyPadded(layerScale, valid, workspace.edge + 32);
    layerScale = workspace.edge + 32;
  }
  finishRows(panel, rows, bias, ending.gelu, layerScale, 0, 0, workspace.sums, 32, workspace);
  for (let i = 0; i < rows; i++) {
    const from = workspace.sums + (<usize>i << 5);
    const to = y + start + <usize>i * stride;
    for (let c = 0; c < valid; c++) {
      const at = <usize>c << 2;
      const value = load<f32>(from + at);
      store<f32>(to + at, residual ? value + load<f32>(residual + <usize>i * stride + at) : value);
    }
  }
}

function finishRows(
  panel: usize, rows: i32, bias: usize, useGelu: bool, layerScale: usize, residual: usize, residualStride: usize,
  y: usize, stride: usize, workspace: Workspace,
): void {
  const scaleLeft = v128.load(panel), scaleRight = v128.load(panel, 16);
  const sumLeft = v128.load(panel, 32), sumRight = v128.load(panel, 48);
  const zero = f32x4.splat(0);
  const biasLeft = bias ? v128.load(bias) : zero;
  const biasRight = bias ? v128.load(bias, 16) : zero;
  const constants = workspace.constants;
  let sums = workspace.sums;
  let parameters = workspace.parameters;
  for (const end = sums + (<usize>rows << 5); sums < end; sums += 32) {
    const rowScale = v128.load32_splat(parameters);
    const rowZero = v128.load32_splat(parameters, 4);
    const whole0 = i32x4.sub(v128.load(sums), i32x4.mul(sumLeft, rowZero));
    const whole1 = i32x4.sub(v128.load(sums, 16), i32x4.mul(sumRight, rowZero));
    let left = f32x4.mul(f32x4.convert_i32x4_s(whole0), f32x4.mul(scaleLeft, rowScale));
    let right = f32x4.mul(f32x4.convert_i32x4_s(whole1), f32x4.mul(scaleRight, rowScale));
    left = f32x4.add(left, biasLeft);
    right = f32x4.add(right, biasRight);
    if (useGelu) {
      left = gelu(left, constants);
      right = gelu(right, constants);
    }
    if (layerScale) {
      left = f32x4.mul(left, v128.load(layerScale));
      right = f32x4.mul(right, v128.load(layerScale, 16));
    }
    if (residual) {
      left = f32x4.add(left, v128.load(residual));
      right = f32x4.add(right, v128.load(residual, 16));
      residual += residualStride;
    }
    v128.store(y, left);
    v128.store(y, right, 16);
    y += stride;
    parameters += ROW_PARAMETERS;
  }
}

/**
 * The sums alone, as whole numbers, with what makes numbers of them, so that tests can check every bit:
 * x [m, k] · w ≈ (sums - zero · columnSums) · scale of the row · scale of the column.
 *
 * @param w what packQuantized made of a [k, n] matrix
 * @param sums i32 [(n + 7) / 8][m][8]
 * @param parameters [m] of {scale: f32, zero: i32}
 * @param scratch quantizedSumsScratchBytes(m, k, precise) bytes
 */
export function quantizedSums(
  x: usize, m: i32, k: i32, n: i32, precise: i32, w: usize, sums: usize, parameters: usize, scratch: usize,
): void {
  const workspace = layOutWorkspace(scratch, m, k, precise, 0);
  quantizeRows(x, m, k, 0, 0, 0, precise, workspace.codes, workspace.parameters, workspace.row);
  memory.copy(parameters, workspace.parameters, <usize>m * ROW_PARAMETERS);
  const rows = m + precise;
  for (let column = 0; column < n; column += 8) {
    multiplyCodes(workspace.codes, <usize>rows << 4, rows, groupsOf(k), w + PANEL_HEAD, workspace.sums);
    joinPrecise(workspace.sums, m, precise);
    memory.copy(sums, workspace.sums, <usize>m << 5);
    sums += <usize>m << 5;
    w += panelBytes(k);
  }
}

export function quantizedSumsScratchBytes(m: i32, k: i32, precise: i32): usize {
  return workspaceBytes(m, k, precise);
}
