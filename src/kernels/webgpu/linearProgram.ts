import { type Program, repeat, rowReader, rowWriter, type Width } from './program.js';

/** Where the rows of x come from: a matrix, or the patches of images (see PATCH_EMBED). */
export type RowSource = 'matrix' | 'patches';

export interface LinearShape {
  m: number;
  k: number;
  n: number;
  width: Width;
  source: RowSource;
  /** Which of bias, scale and residual there are, in that order. */
  operands: readonly ('bias' | 'scale' | 'residual')[];
  gelu: boolean;
}

/** Columns of four and blocks of rows that a workgroup covers. */
const WORKGROUP: [number, number, number] = [16, 4, 1];

/** Rows that one invocation computes: each column of the weight that it reads serves them all. */
function rowsEach(m: number): number {
  return m >= 8 ? 4 : 1;
}

/**
 * y = gelu(x · kernel + bias) * scale + residual, all in one shader. An invocation computes some rows of four columns
 * in registers; neighbours read the same row of x and adjacent columns, which the cache joins. No shared memory: the
 * matrices of a ViT are small.
 */
export function linearProgram({ m, k: _, n, width, source, operands, gelu }: LinearShape): Program {
  const rows = rowsEach(m);
  const has = (operand: LinearShape['operands'][number]) => operands.includes(operand);
  const code = `
    ${source === 'matrix' ? rowReader('xAt', 'x', 'uniforms.k', width) : patchReader(width)}
    ${rowReader('kernelAt', 'kernel', 'uniforms.n', width)}
    ${operands.map((name) => rowReader(`${name}At`, name, 'uniforms.n', width)).join('\n')}
    ${rowWriter('write', 'uniforms.n', width)}
    ${GELU}
    fn finish(row : i32, column : i32, sum : vec4<f32>) {
      if (row >= uniforms.m) { return; }
      var y = sum;
      ${has('bias') ? 'y += biasAt(0, column);' : ''}
      ${gelu ? 'y = gelu(y);' : ''}
      ${has('scale') ? 'y *= scaleAt(0, column);' : ''}
      ${has('residual') ? 'y += residualAt(row % uniforms.residualRows, column);' : ''}
      write(row, column, y);
    }
    fn main() {
      let column = i32(globalId.x);
      let row = i32(globalId.y) * ${rows};
      if (4 * column >= uniforms.n || row >= uniforms.m) { return; }
      let last = uniforms.m - 1;
      let steps = (uniforms.k + 3) / 4;
      ${repeat(rows, (i) => `let row${i} = min(row + ${i}, last); var sum${i} = vec4<f32>(0.0);`)}
      for (var i = 0; i < steps; i++) {
        let w0 = kernelAt(4 * i, column);
        let w1 = kernelAt(${inRange(1, width)}, column);
        let w2 = kernelAt(${inRange(2, width)}, column);
        let w3 = kernelAt(${inRange(3, width)}, column);
        ${repeat(rows, (i) => `let x${i} = xAt(row${i}, i);`)}
        ${repeat(rows, (i) => `sum${i} = fma(vec4<f32>(x${i}.x), w0, sum${i});`)}
        ${repeat(rows, (i) => `sum${i} = fma(vec4<f32>(x${i}.y), w1, sum${i});`)}
        ${repeat(rows, (i) => `sum${i} = fma(vec4<f32>(x${i}.z), w2, sum${i});`)}
        ${repeat(rows, (i) => `sum${i} = fma(vec4<f32>(x${i}.w), w3, sum${i});`)}
      }
      ${repeat(rows, (i) => `finish(row + ${i}, column, sum${i});`)}
    }`;
  return {
    outputShape: [m, n],
    outputComponent: width,
    variableNames: ['x', 'kernel', ...operands],
    variableComponents: ['x', 'kernel', ...operands].map(() => width),
    uniforms: `m : i32, k : i32, n : i32, residualRows : i32,${source === 'patches' ? PATCH_UNIFORMS : ''}`,
    dispatchLayout: { x: [1], y: [0] },
    dispatch: [Math.ceil(n / 4 / WORKGROUP[0]), Math.ceil(m / rows / WORKGROUP[1]), 1],
    workgroupSize: WORKGROUP,
    shaderKey: ['deitLinear', source, width, rows, ...operands, gelu].join('_'),
    getUserCode: () => code,
  };
}

/** A row of the weight that exists: where k is no multiple of four, x is zero from its end on. */
function inRange(offset: number, width: Width): string {
  return width === 4 ? `4 * i + ${offset}` : `min(4 * i + ${offset}, uniforms.k - 1)`;
}

/** Numbers from the start of an image's row, of a patch and of a patch's row to the next; patches down and across. */
const PATCH_UNIFORMS = ' rowStride : i32, patchStride : i32, patchSide : i32, down : i32, across : i32,';

/** xAt for row = ((batch · down) + y) · across + x of the patch grid: p rows of p · C neighbours in the image. */
function patchReader(width: Width): string {
  const start = `
      let column = row % uniforms.across;
      let line = row / uniforms.across;`;
  const at = (k: string) =>
    `(line * uniforms.patchSide + ${k} / uniforms.patchStride) * uniforms.rowStride + column * uniforms.patchStride + ${k} % uniforms.patchStride`;
  if (width === 4) {
    return `fn xAt(row : i32, i : i32) -> vec4<f32> {${start}
      return x[(${at('(4 * i)')}) / 4];
    }`;
  }
  return `fn xAt(row : i32, i : i32) -> vec4<f32> {${start}
      var values = vec4<f32>(0.0);
      for (var j = 0; j < min(4, uniforms.k - 4 * i); j++) { values[j] = x[${at('(4 * i + j)')}]; }
      return values;
    }`;
}

/**
 * x · Φ(x), with erfc by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7), whose form near 0 keeps small values
 * of Φ exact.
 */
const GELU = `
    fn gelu(x : vec4<f32>) -> vec4<f32> {
      let z = abs(x) * 0.7071067811865476;
      let t = 1.0 / (1.0 + 0.3275911 * z);
      let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
      let tail = 0.5 * series * exp(-z * z);
      return x * select(tail, 1.0 - tail, x >= vec4<f32>(0.0));
    }`;
