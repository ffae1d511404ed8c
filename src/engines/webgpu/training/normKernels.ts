/** Layer norms, forward and backward: some invocations a row, some rows a workgroup. */
import { GRID_WIDTH } from '../rowKernels.js';
import { repeat } from '../wgsl.js';
import { type KernelStep, kernelStep, rowReader, rowWriter, type Use } from './kernel.js';
import { CHUNK } from './rowKernels.js';

const THREADS = 128;

export interface NormShape {
  /** Norms, and numbers of each. */
  readonly m: number;
  readonly n: number;
  /** How many stand side by side in a row. */
  readonly inner: number;
  readonly epsilon: number;
}

/** Invocations of a row: few, as each reads the sums of all. */
function lanesFor(quads: number): number {
  if (quads <= 64) return 16;
  return quads <= 256 ? 32 : 64;
}

/** Where a norm's numbers begin: part `row % inner` of a row. */
function partStart(name: string, { width }: Use): string {
  const part = width === 4 ? '(p.n / 4u)' : 'p.n';
  return `p.${name}Base + row / p.inner * p.${name}Stride + row % p.inner * ${part}`;
}

const partReader = (name: string, use: Use) => rowReader(name, use, 'p.n', partStart(name, use));
const partWriter = (name: string, use: Use) => rowWriter(name, use, 'p.n', false, partStart(name, use));

/** What both directions begin with: a row's numbers in registers, its mean and its factor. */
function statistics(n: number) {
  const quads = Math.ceil(n / 4);
  const lanes = lanesFor(quads);
  const each = Math.ceil(quads / lanes);
  const quad = (j: number) => `lane + ${j * lanes}u`;
  const inRow = (j: number) => (each * lanes === quads ? 'true' : `${quad(j)} < ${quads}u`);
  // Numbers beyond a row's end are no deviations from its mean.
  const masked = (j: number, value: string) =>
    n % 4 === 0
      ? value
      : `select(vec4<f32>(0.0), ${value}, 4u * (${quad(j)}) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.n))`;
  const declarations = `
var<workgroup> rowSums : array<vec2<f32>, ${THREADS}>;
/** The sum over a row's invocations. */
fn total(index : u32, lane : u32, own : vec2<f32>) -> vec2<f32> {
  workgroupBarrier();
  rowSums[index] = own;
  workgroupBarrier();
  var all = vec2<f32>(0.0);
  for (var i = 0u; i < ${lanes}u; i++) { all += rowSums[index - lane + i]; }
  return all;
}
fn sumOf(x : vec4<f32>) -> f32 { return (x.x + x.y) + (x.z + x.w); }`;
  const read = (name: string, row = 'r') =>
    repeat(
      each,
      (j) =>
        `var ${name}${j} = vec4<f32>(0.0); if (${inRow(j)}) { ${name}${j} = ${name}At(${row}, ${quad(j)}); }`,
    );
  const code = `
  ${read('x')}
  var sum = vec4<f32>(0.0);
  ${repeat(each, (j) => `sum += x${j};`)}
  let mean = total(index, lane, vec2<f32>(sumOf(sum), 0.0)).x / f32(p.n);
  var squares = vec4<f32>(0.0);
  ${repeat(each, (j) => `{ let e = ${masked(j, `x${j} - mean`)}; if (${inRow(j)}) { squares = fma(e, e, squares); } }`)}
  let factor = 1.0 / sqrt(total(index, lane, vec2<f32>(sumOf(squares), 0.0)).x / f32(p.n) + p.epsilon);`;
  return { lanes, declarations, code, each, quad, inRow, read };
}

const entry = `
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) workgroup : vec3<u32>) {
  let group = workgroup.y * ${GRID_WIDTH}u + workgroup.x;`;

function gridOf(groups: number): [number, number, number] {
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 1];
}

function fieldsOf({ m, n, inner, epsilon }: NormShape) {
  return { m, n, inner, epsilon: { float: epsilon } };
}

export function layerNormStep(
  uses: { readonly x: Use; readonly gamma: Use; readonly beta: Use; readonly y: Use },
  shape: NormShape,
): KernelStep {
  const { lanes, declarations, code, each, quad, inRow } = statistics(shape.n);
  const rows = THREADS / lanes;
  const body = `
${partReader('x', uses.x)}
${rowReader('gamma', uses.gamma, 'p.n')}
${rowReader('beta', uses.beta, 'p.n')}
${partWriter('y', uses.y)}
${declarations}
${entry}
  let lane = index % ${lanes}u;
  let given = group * ${rows}u + index / ${lanes}u;
  let r = min(given, p.m - 1u);
  ${code}
  if (given >= p.m) { return; }
  ${repeat(each, (j) => `if (${inRow(j)}) { yWrite(r, ${quad(j)}, (x${j} - mean) * factor * gammaAt(0u, ${quad(j)}) + betaAt(0u, ${quad(j)})); }`)}
}`;
  return kernelStep(uses, fieldsOf(shape), body, gridOf(Math.ceil(shape.m / rows)));
}

/**
 * The gradient of a layer norm, dy being that of its result: to y the gradient of x, with the residual added; to `sums`
 * each chunk's part of the gradients of gamma and beta, a row each. Either may be missing.
 */
export function normGradientStep(
  uses: {
    readonly x: Use;
    readonly dy: Use;
    readonly gamma: Use;
    readonly residual?: Use;
    readonly y?: Use;
    readonly sums?: Use;
  },
  shape: NormShape,
): KernelStep {
  const { x, dy, gamma, residual, y, sums } = uses;
  const { lanes, declarations, code, each, quad, inRow, read } = statistics(shape.n);
  const lines = THREADS / lanes;
  const body = `
${partReader('x', x)}
${partReader('dy', dy)}
${rowReader('gamma', gamma, 'p.n')}
${residual ? partReader('residual', residual) : ''}
${y ? partWriter('y', y) : ''}
${sums ? rowWriter('sums', sums, 'p.n') : ''}
${declarations}
var<workgroup> joined : array<vec4<f32>, ${THREADS}>;
/** The sum of what invocations that have the same numbers of other rows have; to the first of them. */
fn join(index : u32, own : vec4<f32>) -> vec4<f32> {
  workgroupBarrier();
  joined[index] = own;
  workgroupBarrier();
  var all = own;
  if (index < ${lanes}u) { for (var i = 1u; i < ${lines}u; i++) { all += joined[index + i * ${lanes}u]; } }
  return all;
}
${entry}
  let lane = index % ${lanes}u;
  ${read('gamma', '0u')}
  ${repeat(each, (j) => `var dGamma${j} = vec4<f32>(0.0); var dBeta${j} = vec4<f32>(0.0);`)}
  for (var line = 0u; line < ${CHUNK}u; line += ${lines}u) {
    let given = group * ${CHUNK}u + line + index / ${lanes}u;
    let r = min(given, p.m - 1u);
    ${code}
    ${read('dy')}
    var dots = vec4<f32>(0.0);
    var centred = vec4<f32>(0.0);
    ${repeat(each, (j) => `{ let g = dy${j} * gamma${j}; dots += g; centred = fma(g, x${j} - mean, centred); }`)}
    let totals = total(index, lane, vec2<f32>(sumOf(dots), sumOf(centred))) / f32(p.n);
    if (given < p.m) {
      ${repeat(
        each,
        (j) => `if (${inRow(j)}) {
        let e = (x${j} - mean) * factor;
        dGamma${j} = fma(dy${j}, e, dGamma${j});
        dBeta${j} += dy${j};
        ${
          y
            ? `yWrite(r, ${quad(j)}, (dy${j} * gamma${j} - totals.x - e * (totals.y * factor)) * factor${residual ? ` + residualAt(r, ${quad(j)})` : ''});`
            : ''
        }
      }`,
      )}
    }
  }
  ${
    sums
      ? repeat(
          each,
          (j) => `{
    let ofGamma = join(index, dGamma${j});
    let ofBeta = join(index, dBeta${j});
    if (index < ${lanes}u && ${inRow(j)}) {
      sumsWrite(2u * group, ${quad(j)}, ofGamma);
      sumsWrite(2u * group + 1u, ${quad(j)}, ofBeta);
    }
  }`,
        )
      : ''
  }
}`;
  return kernelStep(uses, fieldsOf(shape), body, gridOf(Math.ceil(shape.m / CHUNK)));
}
