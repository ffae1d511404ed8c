/** Kernels that go over rows of training's operands once. What they add to is the gradient of a weight. */
import type { Activation } from '../../../ops/interface.js';
import { GRID_WIDTH, gridFor } from '../rowKernels.js';
import { activationFunction } from '../wgsl.js';
import { type KernelStep, kernelStep, numbersOf, rowReader, rowWriter, type Use } from './kernel.js';
import { slopeFunction } from './slopes.js';

/** `body` for each `at` of [0, p.count). */
function each(body: string): string {
  return `
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let at = (group.y * ${GRID_WIDTH}u + group.x) * 64u + index;
  if (at >= p.count) { return; }
  ${body}
}`;
}

/** Each four numbers of rows: `row` and `i` are known to the body. */
function eachQuad(body: string): string {
  return each(`let row = at / p.quads; let i = at % p.quads; ${body}`);
}

function quadsOf(rows: number, n: number): { count: number; quads: number } {
  const quads = Math.ceil(n / 4);
  return { count: rows * quads, quads };
}

export interface PatchesShape {
  /** Patches of the batch; of an image, down and across. */
  readonly m: number;
  readonly down: number;
  readonly across: number;
  /** Rows of a patch, and numbers of each. */
  readonly lines: number;
  readonly line: number;
  /** Numbers of an image. */
  readonly image: number;
}

/** y [m, lines · line]: patches cut of images, whose rows have the stride of x. */
export function patchesStep(x: Use, y: Use, { m, image, ...shape }: PatchesShape): KernelStep {
  const count = m * shape.lines * shape.line;
  const body = each(`
  let k = at % (p.lines * p.line);
  let row = at / (p.lines * p.line);
  let rest = row / p.across;
  let top = rest % p.down * p.lines + k / p.line;
  let first = rest / p.down * p.image + top * p.xStride + row % p.across * p.line + k % p.line;
  y[p.yBase + row * p.yStride + k] = x[p.xBase + first];`);
  return kernelStep({ x: numbersOf(x), y: numbersOf(y) }, { ...shape, image, count }, body, gridFor(count));
}

/** As assembly/rows.ts' moveRows has them. */
export interface MoveShape {
  /** Rows of all images that are written, and of each. */
  readonly rows: number;
  readonly imageRows: number;
  readonly n: number;
  readonly factor: number;
  /** Rows of an image of x, the first that is taken, and from one to the next. */
  readonly xRows: number;
  readonly xFirst: number;
  readonly xStep: number;
  /** Rows of an image of y, and the first that is written. */
  readonly yRows: number;
  readonly yFirst: number;
  /** Rows of an image from `first` to `last` come of x, the others are zero. */
  readonly first: number;
  readonly last: number;
}

/** y = x · factor + added + residual, row by row. */
export function moveStep(
  uses: { readonly x: Use; readonly added?: Use; readonly residual?: Use; readonly y: Use },
  { rows, n, factor, ...shape }: MoveShape,
): KernelStep {
  const { x, added, residual, y } = uses;
  const size = quadsOf(rows, n);
  const body = `
${rowReader('x', x, 'p.n')}
${added ? rowReader('added', added, 'p.n') : ''}
${residual ? rowReader('residual', residual, 'p.n') : ''}
${rowWriter('y', y, 'p.n')}
${eachQuad(`
  let image = row / p.imageRows;
  let r = row % p.imageRows;
  let place = image * p.yRows + p.yFirst + r;
  var value = vec4<f32>(0.0);
  if (r >= p.first && r < p.last) {
    value = xAt(image * p.xRows + p.xFirst + (r - p.first) * p.xStep, i) * p.factor;
    ${added ? 'value += addedAt(r - p.first, i);' : ''}
  }
  ${residual ? 'value += residualAt(place, i);' : ''}
  yWrite(place, i, value);`)}`;
  const fields = { n, ...shape, ...size, factor: { float: factor } };
  return kernelStep({ x, added, residual, y }, fields, body, gridFor(size.count));
}

/** y [count, n] += the sums over m images of x's rows `first` … `first + count`, of xRows an image. */
export function sumImagesStep(
  x: Use,
  y: Use,
  { rows, m, n, first, xRows }: { rows: number; m: number; n: number; first: number; xRows: number },
): KernelStep {
  const size = quadsOf(rows, n);
  const body = `
${rowReader('x', x, 'p.n')}
${rowWriter('y', y, 'p.n', true)}
${eachQuad(`
  var sum = vec4<f32>(0.0);
  for (var image = 0u; image < p.m; image++) { sum += xAt(image * p.xRows + p.first + row, i); }
  yWrite(row, i, sum);`)}`;
  return kernelStep({ x, y }, { m, n, first, xRows, ...size }, body, gridFor(size.count));
}

/** y [m, n] = the mean of rows `first` … `last` of each image, which has xRows. */
export function meanStep(
  x: Use,
  y: Use,
  { m, n, first, last, xRows }: { m: number; n: number; first: number; last: number; xRows: number },
): KernelStep {
  const size = quadsOf(m, n);
  const body = `
${rowReader('x', x, 'p.n')}
${rowWriter('y', y, 'p.n')}
${eachQuad(`
  var sum = vec4<f32>(0.0);
  for (var r = p.first; r < p.last; r++) { sum += xAt(row * p.xRows + r, i); }
  yWrite(row, i, sum / f32(p.last - p.first));`)}`;
  return kernelStep({ x, y }, { n, first, last, xRows, ...size }, body, gridFor(size.count));
}

/** y = dy · activation'(z) */
export function slopeStep(
  uses: { readonly dy: Use; readonly z: Use; readonly y: Use },
  { m, n, activation }: { m: number; n: number; activation: Activation },
): KernelStep {
  const size = quadsOf(m, n);
  const body = `
${slopeFunction(activation)}
${rowReader('dy', uses.dy, 'p.n')}
${rowReader('z', uses.z, 'p.n')}
${rowWriter('y', uses.y, 'p.n')}
${eachQuad('yWrite(row, i, dyAt(row, i) * slope(zAt(row, i)));')}`;
  return kernelStep(uses, { n, ...size }, body, gridFor(size.count));
}

/** y [m, n] = silu(a) · a' of the halves of rows of x. */
export function swigluStep(x: Use, y: Use, m: number, n: number): KernelStep {
  const body = `
${activationFunction('silu')}
${each(`
  let row = at / p.n;
  let first = p.xBase + row * p.xStride + at % p.n;
  y[p.yBase + row * p.yStride + at % p.n] = activate(vec4<f32>(x[first])).x * x[first + p.n];`)}`;
  return kernelStep({ x: numbersOf(x), y: numbersOf(y) }, { n, count: m * n }, body, gridFor(m * n));
}

/** The gradient of swiglu: both halves of y. */
export function swigluGradientStep(x: Use, dy: Use, y: Use, m: number, n: number): KernelStep {
  const uses = { x: numbersOf(x), dy: numbersOf(dy), y: numbersOf(y) };
  const body = `
${activationFunction('silu')}
${slopeFunction('silu')}
${each(`
  let row = at / p.n;
  let column = at % p.n;
  let gate = x[p.xBase + row * p.xStride + column];
  let value = x[p.xBase + row * p.xStride + p.n + column];
  let d = dy[p.dyBase + row * p.dyStride + column];
  let first = p.yBase + row * p.yStride + column;
  y[first] = d * value * slope(vec4<f32>(gate)).x;
  y[first + p.n] = d * activate(vec4<f32>(gate)).x;`)}`;
  return kernelStep(uses, { n, count: m * n }, body, gridFor(m * n));
}

/** Rows of a part of scaleGradientStep's sums, and of a layer norm's. */
export const CHUNK = 32;

/**
 * The gradient of a branch that is multiplied by `scale` [n] and by each image's factor: y = dy · scale · factor; `sums`
 * gets each chunk's part of the gradient of the scale, z being the branch before it.
 */
export function scaleGradientStep(
  uses: {
    readonly dy: Use;
    readonly scale?: Use;
    readonly factors?: Use;
    readonly z?: Use;
    readonly y: Use;
    readonly sums?: Use;
  },
  { m, n, imageRows }: { m: number; n: number; imageRows: number },
): KernelStep {
  const { dy, scale, factors, y } = uses;
  const z = uses.sums && uses.z;
  const sums = z && uses.sums;
  const size = quadsOf(Math.ceil(m / CHUNK), n);
  const body = `
${rowReader('dy', dy, 'p.n')}
${scale ? rowReader('scale', scale, 'p.n') : ''}
${z ? rowReader('z', z, 'p.n') : ''}
${rowWriter('y', y, 'p.n')}
${sums ? rowWriter('sums', sums, 'p.n') : ''}
${eachQuad(`
  var sum = vec4<f32>(0.0);
  for (var r = row * ${CHUNK}u; r < min(row * ${CHUNK}u + ${CHUNK}u, p.m); r++) {
    let d = dyAt(r, i)${factors ? ' * factors[p.factorsBase + r / p.imageRows]' : ''};
    ${z ? 'sum = fma(d, zAt(r, i), sum);' : ''}
    yWrite(r, i, ${scale ? 'd * scaleAt(0u, i)' : 'd'});
  }
  ${sums ? 'sumsWrite(row, i, sum);' : ''}`)}`;
  const fields = { m, n, imageRows, ...size };
  return kernelStep({ dy, scale, factors, z, y, sums }, fields, body, gridFor(size.count));
}

/** Rows of a workgroup's threads in sumRowsStep, and its columns in fours. */
const LINES = 8;
const QUADS = 16;

/** y [n] += the sums of x's k rows. */
export function sumRowsStep(x: Use, y: Use, k: number, n: number): KernelStep {
  const body = `
${rowReader('x', x, 'p.n')}
${rowWriter('y', y, 'p.n', true)}
var<workgroup> sums : array<vec4<f32>, ${LINES * QUADS}>;
@compute @workgroup_size(${LINES * QUADS})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let i = group.x * ${QUADS}u + index % ${QUADS}u;
  var sum = vec4<f32>(0.0);
  if (4u * i < p.n) { for (var row = index / ${QUADS}u; row < p.k; row += ${LINES}u) { sum += xAt(row, i); } }
  sums[index] = sum;
  workgroupBarrier();
  if (index >= ${QUADS}u || 4u * i >= p.n) { return; }
  for (var line = 1u; line < ${LINES}u; line++) { sum += sums[index + line * ${QUADS}u]; }
  yWrite(0u, i, sum);
}`;
  return kernelStep({ x, y }, { n, k }, body, [Math.ceil(n / (4 * QUADS)), 1, 1]);
}
