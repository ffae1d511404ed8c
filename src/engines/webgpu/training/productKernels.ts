/** Products of training: a layer's, its input's gradient, and its matrix' gradient. */
import type { Activation } from '../../../ops/interface.js';
import { chooseTile } from '../product.js';
import { gridFor } from '../rowKernels.js';
import { LINEAR_TILES, type Tile, tiledProduct } from '../tiledProduct.js';
import { activationFunction } from '../wgsl.js';
import { type KernelStep, kernelStep, rowReader, rowWriter, type Use } from './kernel.js';
import { slopeFunction } from './slopes.js';

export interface ProductUses {
  /** [m, k] */
  readonly left: Use;
  /** [k, n], or transposed [n, k]. */
  readonly right: Use;
  /** [m, n] */
  readonly y: Use;
  /** [n] */
  readonly bias?: Use;
  /** [n]: multiplies what the activation gives. */
  readonly scale?: Use;
  /** A number for each image, which has `imageRows` rows. */
  readonly factors?: Use;
  /** Added last. */
  readonly residual?: Use;
  /** [m, n] What stands before the activation: written. */
  readonly z?: Use;
  /** [m, n] What stood before an activation: the result is multiplied by its slope there. */
  readonly before?: Use;
}

export interface ProductShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly rightTransposed: boolean;
  readonly activation?: Activation;
  /** Of `before`. */
  readonly slope?: Activation;
  readonly imageRows: number;
}

/** y = slope(before) · scale · factor · activation(left · right + bias) + residual. */
export function productStep(uses: ProductUses, shape: ProductShape): KernelStep {
  const { left, right, y, bias, scale, factors, residual, z, before } = uses;
  const { m, n, k, rightTransposed, activation, slope, imageRows } = shape;
  const tile = chooseTile(LINEAR_TILES, m, n);
  const operands = { left, right, bias, scale, factors, residual, before, z, y };
  const rows = (['bias', 'scale', 'residual', 'before'] as const).flatMap((name) => {
    const use = operands[name];
    return use ? [rowReader(name, use, 'p.n')] : [];
  });
  const rightPart = rightTransposed
    ? 'if (row >= p.n || 4u * i >= p.k) { return vec4<f32>(0.0); } return rightAt(row, i);'
    : 'if (row >= p.k || 4u * i >= p.n) { return vec4<f32>(0.0); } return rightAt(row, i);';
  const body = `
${rowReader('left', left, 'p.k')}
${rowReader('right', right, rightTransposed ? 'p.k' : 'p.n')}
${rows.join('\n')}
${z ? rowWriter('z', z, 'p.n') : ''}
${rowWriter('y', y, 'p.n')}
${activation ? activationFunction(activation) : ''}
${slope ? slopeFunction(slope) : ''}
fn leftPart(row : u32, i : u32) -> vec4<f32> {
  if (4u * i >= p.k) { return vec4<f32>(0.0); }
  return leftAt(min(row, p.m - 1u), i);
}
fn rightPart(row : u32, i : u32) -> vec4<f32> { ${rightPart} }
fn finish(row : u32, i : u32, sum : vec4<f32>) {
  if (row >= p.m || 4u * i >= p.n) { return; }
  var value = ${bias ? 'sum + biasAt(0u, i)' : 'sum'};
  ${z ? 'zWrite(row, i, value);' : ''}
  ${activation ? 'value = activate(value);' : ''}
  ${scale ? 'value *= scaleAt(0u, i);' : ''}
  ${factors ? 'value *= factors[p.factorsBase + row / p.imageRows];' : ''}
  ${before ? 'value *= slope(beforeAt(row, i));' : ''}
  ${residual ? 'value += residualAt(row, i);' : ''}
  yWrite(row, i, value);
}
${tiledProduct(tile, { rightTransposed, from: '0u', to: 'p.k' })}`;
  const grid = [Math.ceil(n / tile.columns), Math.ceil(m / tile.rows), 1] as const;
  return kernelStep(operands, { m, n, k, imageRows }, body, grid);
}

/** Workgroups that keep a large GPU at work. */
const ENOUGH = 256;
/** Depths of a part of a sum, at least; a multiple of every tile's depth. */
const LEAST_DEPTH = 256;
const DEPTHS = 32;

export interface MatrixGradientShape {
  /** Rows and columns of the matrix. */
  readonly m: number;
  readonly n: number;
  /** Rows that are summed over. */
  readonly k: number;
}

function gradientTile(m: number, n: number): Tile {
  const [large, middle, small] = LINEAR_TILES as [Tile, Tile, Tile];
  const fits = (side: number, tile: number) => side % tile === 0 || side >= 4 * tile;
  if (fits(m, large.rows) && fits(n, large.columns)) return large;
  return Math.min(m, n) > small.rows ? middle : small;
}

/** How a matrix' gradient is divided: its tile, and into how many parts the sum over the rows is cut. */
export function divideGradient({ m, n, k }: MatrixGradientShape): {
  tile: Tile;
  parts: number;
  depth: number;
} {
  const tile = gradientTile(m, n);
  const groups = Math.ceil(m / tile.rows) * Math.ceil(n / tile.columns);
  const wanted = Math.min(Math.ceil(ENOUGH / groups), Math.ceil(k / LEAST_DEPTH));
  const depth = Math.ceil(k / wanted / DEPTHS) * DEPTHS;
  return { tile, depth, parts: Math.ceil(k / depth) };
}

/** Numbers of a row of partial sums. */
export function partWidth(n: number): number {
  return Math.ceil(n / 4) * 4;
}

/**
 * Partial sums of xᵀ · dz, part by part: [parts][m + 1][partWidth(n)], the last row being the sums of dz' columns.
 *
 * @param sums whether that row is wanted
 */
export function gradientPartsStep(
  uses: { readonly left: Use; readonly right: Use; readonly y: Use },
  shape: MatrixGradientShape,
  sums: boolean,
): KernelStep {
  const { m, n, k } = shape;
  const { tile, parts, depth } = divideGradient(shape);
  const body = `
${rowReader('left', uses.left, 'p.m')}
${rowReader('right', uses.right, 'p.n')}
${rowWriter('y', uses.y, 'p.n')}
fn leftPart(depth : u32, i : u32) -> vec4<f32> {
  if (depth >= p.k || 4u * i >= p.m) { return vec4<f32>(0.0); }
  return leftAt(depth, i);
}
fn rightPart(depth : u32, i : u32) -> vec4<f32> {
  if (depth >= p.k || 4u * i >= p.n) { return vec4<f32>(0.0); }
  return rightAt(depth, i);
}
var<private> part : u32;
fn finish(row : u32, i : u32, sum : vec4<f32>) {
  if (row < p.m && 4u * i < p.n) { yWrite(part * (p.m + 1u) + row, i, sum); }
}
fn finishSums(i : u32, sum : vec4<f32>) {
  if (4u * i < p.n) { yWrite(part * (p.m + 1u) + p.m, i, sum); }
}
fn firstOf(group : u32) -> u32 { part = group; return group * p.depth; }
${tiledProduct(tile, { leftTransposed: true, from: 'firstOf(group.z)', to: 'min(start + p.depth, p.k)', sums })}`;
  const grid = [Math.ceil(n / tile.columns), Math.ceil(m / tile.rows), parts] as const;
  return kernelStep(uses, { m, n, k, depth }, body, grid);
}

/** Adds the parts of gradientPartsStep up, to what the gradients of the matrix and of its bias have. */
export function addPartsStep(
  uses: { readonly x: Use; readonly y: Use; readonly sums?: Use },
  shape: MatrixGradientShape,
): KernelStep {
  const { m, n } = shape;
  const { parts } = divideGradient(shape);
  const { x, y, sums } = uses;
  const rows = m + (sums ? 1 : 0);
  const quads = Math.ceil(n / 4);
  const body = `
${rowReader('x', x, 'p.n')}
${rowWriter('y', y, 'p.n', true)}
${sums ? rowWriter('sums', sums, 'p.n', true) : ''}
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let at = (group.y * 32768u + group.x) * 64u + index;
  let row = at / p.quads;
  let i = at % p.quads;
  if (row >= p.rows) { return; }
  var sum = vec4<f32>(0.0);
  for (var part = 0u; part < p.parts; part++) { sum += xAt(part * (p.m + 1u) + row, i); }
  ${sums ? 'if (row == p.m) { sumsWrite(0u, i, sum); return; }' : ''}
  yWrite(row, i, sum);
}`;
  return kernelStep({ x, y, sums }, { m, n, quads, rows, parts }, body, gridFor(rows * quads));
}
