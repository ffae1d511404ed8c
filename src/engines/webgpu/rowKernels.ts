/** Kernels that go over rows once. A grid is [x, y]: x up to 32768 workgroups, then the next y. */
import {
  type ArrayBinding,
  activationFunction,
  reader,
  type Scalar,
  shader,
  widthFor,
  writer,
} from './wgsl.js';

/** Workgroups along x; more go on along y. */
export const GRID_WIDTH = 32768;
export const THREADS = 64;

/** Workgroups for so many invocations of kernels that have one for each. */
export function gridFor(invocations: number): [number, number, number] {
  const groups = Math.ceil(invocations / THREADS);
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 1];
}

/** A grid of a workgroup for each row. */
export function rowGrid(rows: number): [number, number, number] {
  return [Math.min(rows, GRID_WIDTH), Math.ceil(rows / GRID_WIDTH), 1];
}

/** `body` for each i of [0, count), an expression of WGSL. */
function each(count: string, body: string): string {
  return `
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let at = (group.y * ${GRID_WIDTH}u + group.x) * ${THREADS}u + index;
  if (at >= ${count}) { return; }
  ${body}
}`;
}

const array = (name: string, type: Scalar, write = false): ArrayBinding => ({ name, type, width: 1, write });

/** `deviation` of numbers 4i … 4i+3 of a row from `mean`: beyond its end readers give zeros, which are none. */
export function deviation(numbers: string, length: number): string {
  const inRow =
    length % 4 === 0
      ? 'e'
      : `select(vec4<f32>(0.0), e, 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(${length}u))`;
  return `let e = ${numbers} - mean; let deviation = ${inRow};`;
}

/** Layer norm over rows of `length`, the mean and the variance one after the other. sizes: [rows, …]. */
export function layerNormKernel(length: number, epsilon: number, input: Scalar, output: Scalar): string {
  const width = widthFor(length);
  const x: ArrayBinding = { name: 'x', type: input, width };
  const gamma: ArrayBinding = { name: 'gamma', type: 'f32', width };
  const beta: ArrayBinding = { name: 'beta', type: 'f32', width };
  const y: ArrayBinding = { name: 'y', type: output, width, write: true };
  const quads = Math.ceil(length / 4);
  const total = `
    workgroupBarrier();
    for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
      if (index < half) { sums[index] += sums[index + half]; }
      workgroupBarrier();
    }`;
  const body = `
${reader('xAt', x, length)}
${reader('gammaAt', gamma, length)}
${reader('betaAt', beta, length)}
${writer('write', y, length)}
var<workgroup> sums : array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let given = group.y * ${GRID_WIDTH}u + group.x;
  let row = min(given, sizes.x - 1u);
  var sum = vec4<f32>(0.0);
  for (var i = index; i < ${quads}u; i += ${THREADS}u) { sum += xAt(row, i); }
  sums[index] = (sum.x + sum.y) + (sum.z + sum.w);
  ${total}
  let mean = sums[0] / ${length}.0;
  workgroupBarrier();
  var squares = vec4<f32>(0.0);
  for (var i = index; i < ${quads}u; i += ${THREADS}u) {
    ${deviation('xAt(row, i)', length)}
    squares = fma(deviation, deviation, squares);
  }
  sums[index] = (squares.x + squares.y) + (squares.z + squares.w);
  ${total}
  let scale = 1.0 / sqrt(sums[0] / ${length}.0 + ${epsilon.toExponential()});
  if (given >= sizes.x) { return; }
  for (var i = index; i < ${quads}u; i += ${THREADS}u) {
    write(row, i, (xAt(row, i) - mean) * scale * gammaAt(0u, i) + betaAt(0u, i));
  }
}`;
  return shader([x, gamma, beta, y], body);
}

export interface PatchShape {
  readonly patch: readonly [height: number, width: number];
  readonly channels: number;
  readonly image: readonly [height: number, width: number];
  readonly grid: readonly [down: number, across: number];
}

/** A patch's pixels as a row [p · q · C]; patches row by row. sizes: [numbers, …]. */
export function patchesKernel(
  { patch: [p, q], channels, image: [height, width], grid: [down, across] }: PatchShape,
  output: Scalar,
): string {
  const line = q * channels;
  const body = each(
    'sizes.x',
    `
  let k = at % ${p * line}u;
  let row = at / ${p * line}u;
  let x = (row % ${across}u) * ${line}u + k % ${line}u;
  let y = (row / ${across}u % ${down}u) * ${p}u + k / ${line}u;
  let image = row / ${down * across}u;
  rows[at] = ${output}(images[(image * ${height}u + y) * ${width * channels}u + x]);`,
  );
  return shader([array('images', 'f32'), array('rows', output, true)], body);
}

export interface PlaceShape {
  readonly width: number;
  /** Rows that are placed, of each image. */
  readonly count: number;
  /** Rows of an image in x (0: the same for all), and the first that is taken. */
  readonly imageRows: number;
  readonly from: number;
  /** Rows of an image in y, and where the first goes. */
  readonly outputRows: number;
  readonly to: number;
  /** Numbers from row to row in y, and where a row begins there. */
  readonly outputWidth?: number;
  readonly column?: number;
  /** The row of `positions` that is added to the first, the next ones following; none without it. */
  readonly position?: number;
  readonly input: Scalar;
  readonly output: Scalar;
}

/** Rows of x at their place in y, with position embeddings. sizes: [numbers, …]. */
export function placeKernel(shape: PlaceShape): string {
  const { width, count, imageRows, from, outputRows, to, outputWidth = width, column = 0, position } = shape;
  const positions = position === undefined ? [] : [array('positions', 'f32')];
  const added = position === undefined ? '' : ` + positions[(row + ${position}u) * ${width}u + i]`;
  const body = each(
    'sizes.x',
    `
  let i = at % ${width}u;
  let row = at / ${width}u % ${count}u;
  let image = at / ${width * count}u;
  let value = f32(x[(image * ${imageRows}u + ${from}u + row) * ${width}u + i])${added};
  y[(image * ${outputRows}u + ${to}u + row) * ${outputWidth}u + ${column}u + i] = ${shape.output}(value);`,
  );
  return shader([array('x', shape.input), ...positions, array('y', shape.output, true)], body);
}

/** The mean of rows [from, rows) of each image. sizes: [numbers, …]. */
export function meanKernel(width: number, rows: number, from: number, input: Scalar): string {
  const body = each(
    'sizes.x',
    `
  let i = at % ${width}u;
  let first = at / ${width}u * ${rows}u;
  var sum = 0.0;
  for (var row = ${from}u; row < ${rows}u; row++) { sum += f32(x[(first + row) * ${width}u + i]); }
  y[at] = sum / ${rows - from}.0;`,
  );
  return shader([array('x', input), array('y', 'f32', true)], body);
}

/** (a + b) · factor. sizes: [numbers, …]. */
export function addKernel(factor: number): string {
  const body = each('sizes.x', `y[at] = (a[at] + b[at]) * ${factor.toExponential()};`);
  return shader([array('a', 'f32'), array('b', 'f32'), array('y', 'f32', true)], body);
}

/** silu(a) · b of the halves of rows. sizes: [numbers of y, …]. */
export function gateKernel(width: number, type: Scalar): string {
  const body = `
${activationFunction('silu')}
${each(
  'sizes.x',
  `
  let first = at / ${width}u * ${2 * width}u + at % ${width}u;
  let gate = activate(vec4<f32>(f32(x[first]))).x;
  y[at] = ${type}(gate * f32(x[first + ${width}u]));`,
)}`;
  return shader([array('x', type), array('y', type, true)], body);
}

/** float32 → float16, in the same order; two numbers an invocation. sizes: [numbers, …]. */
export function castKernel(): string {
  return shader(
    [array('x', 'f32'), array('y', 'f16', true)],
    each(
      '(sizes.x + 1u) / 2u',
      'y[2u * at] = f16(x[2u * at]); if (2u * at + 1u < sizes.x) { y[2u * at + 1u] = f16(x[2u * at + 1u]); }',
    ),
  );
}
