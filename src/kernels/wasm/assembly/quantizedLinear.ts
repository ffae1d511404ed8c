/** y [m, n] = activation(scale · (codes of x · codes of w) + bias) * layerScale + residual, sums in whole numbers. */
import { combineStrassen, strassenBytes, strassenWeightBytes, usesStrassen, multiplyStrassen, packStrassen } from './strassen';
import { addProduct, WEIGHT_GROUP, weightOffset } from './integerProduct';
import { copyPadded } from './pack';
import { codesBytes, groupsOf, quantizeRows, ROW_PARAMETERS, rowBytes } from './quantizeRows';
import { beginStages, nextChunk, openStage, Stages, threadsOf } from './workQueue';
import { aligned } from './scratch';
import { coarseGelu } from './simd';

/** What stands before the weights of a panel: the columns' scales (f32) and their weights' sums (i32). */
const PANEL_HEAD: usize = 64;
/** Codes of a block of rows stay within this, so that they are in the second-level cache for every panel. */
const BLOCK_BYTES: usize = 512 * 1024;
/** Rows that a thread makes codes of at a time. */
const PACK_ROWS: i32 = 16;
/** Groups of codes of which a thread makes sums of halves at a time. */
const COMBINED_GROUPS: i32 = 4;

/** Panels that are multiplied together: one, or one of each half of the columns. Their weights stand behind their heads. */
// @ts-ignore: decorator
@inline
function panelsOf(k: i32, n: i32): i32 {
  return usesStrassen(k, n) ? 2 : 1;
}

/** How often panels are multiplied until all n columns are. */
// @ts-ignore: decorator
@inline
function turnsOf(k: i32, n: i32): i32 {
  return usesStrassen(k, n) ? n / 16 : (n + 7) / 8;
}

/** Bytes of the panels of one turn. */
function turnBytes(k: i32, n: i32): usize {
  if (usesStrassen(k, n)) return 2 * PANEL_HEAD + strassenWeightBytes(k);
  return PANEL_HEAD + <usize>groupsOf(k) * WEIGHT_GROUP;
}

/** Bytes of a [k, n] matrix of codes in packed form. */
export function quantizedPackedBytes(k: i32, n: i32): usize {
  return <usize>turnsOf(k, n) * turnBytes(k, n);
}

/**
 * w [k, n], whole numbers as floats, row by row, and scale [n], into panels of 8 columns. Columns past n are zero.
 */
export function packQuantized(w: usize, scale: usize, k: i32, n: i32, packed: usize): void {
  memory.fill(packed, 0, quantizedPackedBytes(k, n));
  const halves = usesStrassen(k, n);
  const turns = turnsOf(k, n);
  for (let turn = 0; turn < turns; turn++) {
    const column = turn << 3;
    packHead(w, scale, k, n, column, packed);
    if (halves) {
      packHead(w, scale, k, n, column + (n >> 1), packed + PANEL_HEAD);
      packTurnStrassen(w + (<usize>column << 2), k, n, packed + 2 * PANEL_HEAD);
    } else {
      packTurn(w + (<usize>column << 2), k, n, min(8, n - column), packed + PANEL_HEAD);
    }
    packed += turnBytes(k, n);
  }
}

function packHead(w: usize, scale: usize, k: i32, n: i32, column: i32, head: usize): void {
  const valid = min(8, n - column);
  copyPadded(scale + (<usize>column << 2), valid, head);
  for (let i = 0; i < k; i++) {
    for (let c = 0; c < valid; c++) {
      const sum = head + 32 + (<usize>c << 2);
      store<i32>(sum, load<i32>(sum) + codeAt(w, i * n + column + c));
    }
  }
}

function packTurn(w: usize, k: i32, n: i32, valid: i32, weights: usize): void {
  for (let i = 0; i < k; i++) {
    for (let c = 0; c < valid; c++) {
      const code = codeAt(w, i * n + c);
      const to = weights + weightOffset(i, c);
      if (ASC_FEATURE_RELAXED_SIMD) store<i8>(to, <i8>code);
      else store<i16>(to, <i16>code);
    }
  }
}

function packTurnStrassen(w: usize, k: i32, n: i32, weights: usize): void {
  const half = k >> 1;
  for (let i = 0; i < half; i++) {
    for (let c = 0; c < 8; c++) {
      const top = i * n + c;
      const bottom = top + half * n;
      const right = n >> 1;
      packStrassen(codeAt(w, top), codeAt(w, top + right), codeAt(w, bottom), codeAt(w, bottom + right), i, c, k, weights);
    }
  }
}

// @ts-ignore: decorator
@inline
function codeAt(w: usize, index: i32): i32 {
  return <i32>load<f32>(w + (<usize>index << 2));
}

/** What a thread needs beside the operands of its products, and where it lies. */
// @ts-ignore: decorator
@unmanaged
export class Workspace {
  stages: Stages;
  /** Of all threads. */
  codes: usize;
  /** Of all threads. */
  parameters: usize;
  row: usize;
  sums: usize;
  /** A panel of the output whose n is no multiple of 8, and its bias and layer scale. */
  edge: usize;
  /** Those of simd.ts. */
  constants: usize;
}

/** Bytes of a Workspace itself; what follows it may be used for other things between products. */
export const WORKSPACE_BYTES: usize = 64;

/** What is done with the sums. Addresses; 0 for none. */
// @ts-ignore: decorator
@unmanaged
export class Epilogue {
  bias: usize;
  gelu: bool;
  layerScale: usize;
  /** [m, n] */
  residual: usize;
}

/** Rows of codes of m rows of which the first `precise` have two: even in number where halves need them so. */
function codeRows(m: i32, precise: i32): i32 {
  const rows = m + precise;
  return ASC_FEATURE_RELAXED_SIMD ? rows : (rows + 1) & ~1;
}

/** Bytes of what threads share to multiply matrices of at most m rows of at most k values. */
export function sharedBytes(m: i32, k: i32, precise: i32): usize {
  const rows = codeRows(m, precise);
  const halves = ASC_FEATURE_RELAXED_SIMD ? 0 : strassenBytes(rows, k);
  return aligned(codesBytes(rows, k) + halves) + aligned(<usize>(m + precise) * ROW_PARAMETERS);
}

/** Bytes of what each thread needs of its own for them. */
export function ownBytes(m: i32, k: i32, precise: i32): usize {
  const sums: usize = ASC_FEATURE_RELAXED_SIMD ? 32 : 80;
  return WORKSPACE_BYTES + 64 + aligned(rowBytes(k)) + aligned(<usize>codeRows(m, precise) * sums);
}

/**
 * @param own ownBytes(m, k, precise) bytes
 * @param shared sharedBytes(m, k, precise) bytes
 */
export function layOutWorkspace(
  own: usize, shared: usize, m: i32, k: i32, precise: i32, constants: usize, stages: Stages,
): Workspace {
  const workspace = changetype<Workspace>(own);
  workspace.stages = stages;
  workspace.constants = constants;
  workspace.parameters = shared;
  workspace.codes = shared + aligned(<usize>(m + precise) * ROW_PARAMETERS);
  workspace.edge = own + WORKSPACE_BYTES;
  workspace.row = workspace.edge + 64;
  workspace.sums = workspace.row + aligned(rowBytes(k));
  return workspace;
}

/** Rows that are worked on at a time: even over the blocks. */
function blockRows(m: i32, k: i32): i32 {
  const most = max(8, <i32>(BLOCK_BYTES / codesBytes(1, k)));
  const blocks = (m + most - 1) / most;
  return (m + blocks - 1) / blocks;
}

/**
 * Takes part in a product until nothing is left to do.
 *
 * @param x [m, k]
 * @param gamma of a layer norm before it, with beta and epsilon; 0 for none
 * @param precise how many of the first rows have 11 bits
 * @param w what packQuantized made
 * @param y [m, n]; may be the residual, but not x
 */
export function multiplyQuantized(
  x: usize, m: i32, k: i32, n: i32, gamma: usize, beta: usize, epsilon: f32, precise: i32,
  w: usize, epilogue: Epilogue, y: usize, workspace: Workspace,
): void {
  const height = blockRows(m, k);
  const stages = workspace.stages;
  const turns = turnsOf(k, n);
  const panels = panelsOf(k, n);
  for (let row = 0; row < m; row += height) {
    const rows = min(height, m - row);
    const low = min(rows, max(0, precise - row));
    makeCodes(x + ((<usize>row * <usize>k) << 2), rows, k, n, gamma, beta, epsilon, low, workspace);
    for (let turn = openStage(stages, turns); turn >= 0; turn = nextChunk(stages)) {
      const head = w + <usize>turn * turnBytes(k, n);
      multiplyTurn(head, rows, low, k, n, workspace);
      for (let panel = 0; panel < panels; panel++) {
        const sums = sumsOf(panel, rows, low, workspace);
        const column = (turn << 3) + panel * (n >> 1);
        applyEpilogue(head + <usize>panel * PANEL_HEAD, sums, row, rows, column, n, epilogue, y, workspace);
      }
    }
  }
}

/** Codes of the rows of x, and sums of their halves where the product with n columns needs them. */
function makeCodes(
  x: usize, rows: i32, k: i32, n: i32, gamma: usize, beta: usize, epsilon: f32, low: i32, workspace: Workspace,
): void {
  const stages = workspace.stages;
  const codes = workspace.codes;
  const all = codeRows(rows, low);
  const stride = <usize>all << 4;
  const packs = (rows + PACK_ROWS - 1) / PACK_ROWS;
  for (let chunk = openStage(stages, packs); chunk >= 0; chunk = nextChunk(stages)) {
    const first = chunk * PACK_ROWS;
    const count = min(PACK_ROWS, rows - first);
    if (chunk == 0 && all > rows + low) clearRow(codes + (<usize>(rows + low) << 4), groupsOf(k), stride);
    quantizeRows(
      x + ((<usize>first * <usize>k) << 2), count, k, gamma, beta, epsilon, min(count, max(0, low - first)),
      codes + (<usize>first << 4), codes + (<usize>(rows + first) << 4), stride,
      workspace.parameters + <usize>first * ROW_PARAMETERS, workspace.row,
    );
  }
  if (!usesStrassen(k, n)) return;
  const groups = groupsOf(k) >> 1;
  const combinations = (groups + COMBINED_GROUPS - 1) / COMBINED_GROUPS;
  for (let chunk = openStage(stages, combinations); chunk >= 0; chunk = nextChunk(stages)) {
    const first = chunk * COMBINED_GROUPS;
    combineStrassen(codes, all, k, first, min(first + COMBINED_GROUPS, groups));
  }
}

function clearRow(codes: usize, groups: i32, stride: usize): void {
  for (let group = 0; group < groups; group++) {
    v128.store(codes, i32x4.splat(0));
    codes += stride;
  }
}

/** The sums of each panel of a turn, to where sumsOf says. */
function multiplyTurn(head: usize, rows: i32, low: i32, k: i32, n: i32, workspace: Workspace): void {
  const all = codeRows(rows, low);
  const panels = panelsOf(k, n);
  const weights = head + <usize>panels * PANEL_HEAD;
  if (usesStrassen(k, n)) {
    multiplyStrassen(workspace.codes, all, k, weights, workspace.sums);
  } else {
    memory.fill(workspace.sums, 0, <usize>all << 5);
    addProduct(workspace.codes, <usize>all << 4, all, groupsOf(k), weights, workspace.sums);
  }
  for (let panel = 0; panel < panels; panel++) joinPrecise(sumsOf(panel, rows, low, workspace), rows, low);
}

/** The sums [rows][8] of a panel, one panel's behind the other's. */
// @ts-ignore: decorator
@inline
function sumsOf(panel: i32, rows: i32, low: i32, workspace: Workspace): usize {
  return workspace.sums + (<usize>(panel * codeRows(rows, low)) << 5);
}

/** The sums of the first rows: 16 times those of their high parts, and those of their low parts. */
function joinPrecise(sums: usize, rows: i32, precise: i32): void {
  let low = sums + (<usize>rows << 5);
  for (const end = sums + (<usize>precise << 5); sums < end; sums += 16, low += 16) {
    v128.store(sums, i32x4.add(i32x4.shl(v128.load(sums), 4), v128.load(low)));
  }
}

function applyEpilogue(
  panel: usize, sums: usize, row: i32, rows: i32, column: i32, n: i32, epilogue: Epilogue, y: usize, workspace: Workspace,
): void {
  const offset = <usize>column << 2;
  const stride = <usize>n << 2;
  const start = <usize>row * stride + offset;
  let bias = epilogue.bias ? epilogue.bias + offset : 0;
  let layerScale = epilogue.layerScale ? epilogue.layerScale + offset : 0;
  const residual = epilogue.residual ? epilogue.residual + start : 0;
  if (column + 8 <= n) {
    epilogueRows(panel, sums, rows, bias, epilogue.gelu, layerScale, residual, stride, y + start, stride, workspace);
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
  epilogueRows(panel, sums, rows, bias, epilogue.gelu, layerScale, 0, 0, sums, 32, workspace);
  for (let i = 0; i < rows; i++) {
    const from = sums + (<usize>i << 5);
    const to = y + start + <usize>i * stride;
    for (let c = 0; c < valid; c++) {
      const at = <usize>c << 2;
      const value = load<f32>(from + at);
      store<f32>(to + at, residual ? value + load<f32>(residual + <usize>i * stride + at) : value);
    }
  }
}

function epilogueRows(
  panel: usize, sums: usize, rows: i32, bias: usize, useGelu: bool, layerScale: usize, residual: usize, residualStride: usize,
  y: usize, stride: usize, workspace: Workspace,
): void {
  const scaleLeft = v128.load(panel), scaleRight = v128.load(panel, 16);
  const sumLeft = v128.load(panel, 32), sumRight = v128.load(panel, 48);
  const zero = f32x4.splat(0);
  const biasLeft = bias ? v128.load(bias) : zero;
  const biasRight = bias ? v128.load(bias, 16) : zero;
  const constants = workspace.constants;
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
      left = coarseGelu(left, constants);
      right = coarseGelu(right, constants);
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
 * @param scratch quantizedSumsScratchBytes(m, k, precise, threads) bytes
 * @param queue as for linear
 */
export function quantizedSums(
  x: usize, m: i32, k: i32, n: i32, precise: i32, w: usize, sums: usize, parameters: usize, scratch: usize,
  queue: usize, thread: i32,
): void {
  const stages = changetype<Stages>(scratch + <usize>thread * sumsThreadBytes(m, k, precise));
  beginStages(stages, queue);
  const own = changetype<usize>(stages) + 64;
  const shared = scratch + <usize>max(threadsOf(queue), 1) * sumsThreadBytes(m, k, precise);
  const workspace = layOutWorkspace(own, shared, m, k, precise, 0, stages);
  makeCodes(x, m, k, n, 0, 0, 0, precise, workspace);
  const turns = turnsOf(k, n);
  for (let turn = openStage(stages, turns); turn >= 0; turn = nextChunk(stages)) {
    if (turn == 0) memory.copy(parameters, workspace.parameters, <usize>m * ROW_PARAMETERS);
    multiplyTurn(w + <usize>turn * turnBytes(k, n), m, precise, k, n, workspace);
    for (let panel = 0; panel < panelsOf(k, n); panel++) {
      const to = sums + (<usize>((turn + panel * turns) * m) << 5);
      memory.copy(to, sumsOf(panel, m, precise, workspace), <usize>m << 5);
    }
  }
}

function sumsThreadBytes(m: i32, k: i32, precise: i32): usize {
  return 64 + ownBytes(m, k, precise);
}

export function quantizedSumsScratchBytes(m: i32, k: i32, precise: i32, threads: i32): usize {
  return <usize>max(threads, 1) * sumsThreadBytes(m, k, precise) + sharedBytes(m, k, precise);
}
