/**
 * How a fragment shader is handed to the WebGL backend of TensorFlow.js, and how it reads tfjs' packed textures: a
 * texel is two rows of two columns, (r, c) (r, c+1) (r+1, c) (r+1, c+1), and texels follow each other row by row.
 * What a texel holds beyond the last row or column is undefined.
 */
import type { GPGPUProgram } from '@tensorflow/tfjs-backend-webgl';

export type Program = GPGPUProgram;

/** A program on packed textures whose shader is `code`, with a main() that calls setOutput. */
export function packedProgram(variableNames: string[], outputShape: number[], code: string): Program {
  return {
    variableNames,
    outputShape,
    userCode: code,
    packedInputs: true,
    packedOutput: true,
    enableShapeUniforms: true,
  };
}

/** Texels in a row or column of a matrix. */
export function half(length: number): number {
  return Math.ceil(length / 2);
}

/** An input of a program: a matrix, or a stack of them. */
export interface Texture {
  rows: number;
  columns: number;
  /** Texels of the texture, [down, across]: as many across as in a row of the matrix, if the device allows that. */
  size: readonly [number, number];
}

/**
 * GLSL: NAMEAt(row, column) and, in a stack of matrices, NAMEAt(matrix, row, column), all counted in texels. Constants
 * are written out, as not every driver takes them out of a loop; a division would cost more than the product that the
 * texel is fetched for, so it is there only where rows wrap.
 */
export function texelReader(name: string, { rows, columns, size: [down, across] }: Texture): string {
  const place =
    across === half(columns)
      ? 'vec2(column, row)'
      : `vec2((row * ${half(columns)} + column) % ${across}, (row * ${half(columns)} + column) / ${across})`;
  return `
    vec4 ${name}At(int row, int column) {
      return texture(${name}, (${place} + halfCR) * vec2(${1 / across}, ${1 / down}));
    }
    vec4 ${name}At(int matrix, int row, int column) { return ${name}At(matrix * ${half(rows)} + row, column); }`;
}

/** GLSL: runs `step(i)` for i of [0, count), four to a turn of the loop. */
export function unrolledLoop(count: number, step: (i: string) => string): string {
  const turns = count - (count % 4);
  const rest = Array.from({ length: count - turns }, (_, j) => step(String(turns + j)));
  const body = [0, 1, 2, 3].map((j) => step(`i + ${j}`)).join('\n');
  return `for (int i = 0; i < ${turns}; i += 4) {\n${body}\n}\n${rest.join('\n')}`;
}
