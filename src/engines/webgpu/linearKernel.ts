import { epilogue, type LinearShape } from './product.js';
import { deviation, THREADS } from './rowKernels.js';
import { type Tile, tiledProduct } from './tiledProduct.js';
import { type ArrayBinding, reader, repeat, shader, widthFor } from './wgsl.js';

/** scale · activation(x · kernel + bias) + residual: rows of k numbers → rows of n. sizes: [rows, …]. */
export function linearKernel(shape: LinearShape, tile: Tile): string {
  return kernelOf(shape, tile);
}

/**
 * The same of layerNorm(x), to the bit as layerNormKernel has it, without a pass for it: each workgroup finds the means and
 * deviations of its rows anew. Behind kernel, gamma and beta are bound.
 */
export function normedLinearKernel(shape: LinearShape, tile: Tile, epsilon: number): string {
  return kernelOf(shape, tile, epsilon);
}

function kernelOf(shape: LinearShape, tile: Tile, epsilon?: number): string {
  const { k, n } = shape;
  const normed = epsilon !== undefined;
  const x: ArrayBinding = { name: 'x', type: shape.input, width: widthFor(k) };
  const kernel: ArrayBinding = { name: 'kernel', type: shape.kernel, width: widthFor(n) };
  const gamma: ArrayBinding = { name: 'gamma', type: 'f32', width: x.width };
  const beta: ArrayBinding = { name: 'beta', type: 'f32', width: x.width };
  const { bindings, code } = epilogue(shape, kernel.width);
  const whole = k % tile.depth === 0;
  const body = `
const K = ${k}u;
const N = ${n}u;
${reader('xAt', x, k)}
${reader('kernelAt', kernel, n)}
${normed ? `${reader('gammaAt', gamma, k)}${reader('betaAt', beta, k)}${rowStatistics(tile)}` : ''}
fn leftPart(row : u32, i : u32) -> vec4<f32> {
  ${whole ? '' : 'if (4u * i >= K) { return vec4<f32>(0.0); }'}
  let numbers = xAt(min(row, sizes.x - 1u), i);
  ${
    normed
      ? `return (numbers - means[row % ${tile.rows}u]) * scales[row % ${tile.rows}u] * gammaAt(0u, i) + betaAt(0u, i);`
      : 'return numbers;'
  }
}
fn rightPart(row : u32, i : u32) -> vec4<f32> {
  if (${whole ? '' : 'row >= K || '}4u * i >= N) { return vec4<f32>(0.0); }
  return kernelAt(row, i);
}
${code}
${tiledProduct(tile, { from: '0u', to: 'K', first: normed ? normRows(k, epsilon) : '' })}`;
  return shader([x, kernel, ...(normed ? [gamma, beta] : []), ...bindings], body);
}

/** Invocations of a workgroup. */
function threadsOf({ rows, columns, rowsEach, columnsEach }: Tile): number {
  return (rows / rowsEach) * (columns / columnsEach);
}

/** Invocations of a row while its mean is found: those of a tile are as many times its rows. */
const SHARES = 4;

function rowStatistics(tile: Tile): string {
  return `
var<workgroup> parts : array<f32, ${threadsOf(tile)}>;
var<workgroup> means : array<f32, ${tile.rows}>;
var<workgroup> scales : array<f32, ${tile.rows}>;`;
}

/**
 * `means` and `scales` of the workgroup's rows. layerNormKernel has 64 sums a row and adds their halves to each other; here
 * an invocation has each fourth of these sums, and adds in the same order.
 */
function normRows(k: number, epsilon: number): string {
  const quads = Math.ceil(k / 4);
  const leaves = THREADS / SHARES;
  const sumOf = (start: string, add: string) => `
    ${repeat(
      leaves,
      (l) => `
    var v${l} = 0.0;
    {
      var sum = vec4<f32>(0.0);
      for (var i = share + ${l * SHARES}u; i < ${quads}u; i += ${THREADS}u) { ${start} ${add} }
      v${l} = (sum.x + sum.y) + (sum.z + sum.w);
    }`,
    )}
    ${[8, 4, 2, 1].map((half) => repeat(half, (l) => `v${l} += v${l + half};`)).join('\n')}
    parts[index] = v0;
    workgroupBarrier();`;
  const total = '((parts[ofRow] + parts[ofRow + 2u]) + (parts[ofRow + 1u] + parts[ofRow + 3u]))';
  return `
  {
    let own = index / ${SHARES}u;
    let share = index % ${SHARES}u;
    let ofRow = index - share;
    let row = min(firstRow + own, sizes.x - 1u);
    var mean = 0.0;
    {
      ${sumOf('', 'sum += xAt(row, i);')}
      mean = ${total} / ${k}.0;
      workgroupBarrier();
    }
    {
      ${sumOf(deviation('xAt(row, i)', k), 'sum = fma(deviation, deviation, sum);')}
      if (share == 0u) {
        means[own] = mean;
        scales[own] = 1.0 / sqrt(${total} / ${k}.0 + ${epsilon.toExponential()});
      }
    }
    workgroupBarrier();
  }`;
}
