/** Images of patch features [patches, D], as the viewers of DINO show them. */
import { checkArguments } from '../checkArguments.js';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import type { PatchMap } from './types.js';

/**
 * How alike each patch is to one of them: the cosine of their features, −1…1.
 *
 * @param patches float32 [rows · cols, D], e.g. of inspect
 * @param query place of the patch that is compared, row by row from 0
 */
export function patchSimilarity(
  patches: Float32Array,
  grid: readonly [number, number],
  query: number,
): PatchMap {
  const [rows, cols] = checkPatches('patchSimilarity', patches, grid);
  if (!Number.isInteger(query) || query < 0 || query >= rows * cols)
    throw new UserError(
      `patchSimilarity: there are ${rows * cols} patches, and no patch ${describeValue(query)}`,
    );
  const width = patches.length / (rows * cols);
  const norms = Array.from({ length: rows * cols }, (_, i) => Math.sqrt(dot(patches, patches, i, i, width)));
  const data = Float32Array.from(norms, (norm, i) => {
    const scale = norm * norms[query]!;
    return scale > 0 ? dot(patches, patches, i, query, width) / scale : 0;
  });
  return { data, rows, cols };
}

function checkPatches(
  what: string,
  patches: Float32Array,
  grid: readonly [number, number],
): readonly [number, number] {
  checkArguments(what, { patches: ['floats', patches], grid: ['grid', grid] });
  const [rows, cols] = grid;
  if (patches.length > 0 && patches.length % (rows * cols) === 0) return grid;
  throw new UserError(
    `${what}: ${patches.length} numbers are no features of ${rows} × ${cols} patches, as many of each`,
  );
}

/** Rounds of the subspace iteration; three directions of a few hundred patches have settled long before. */
const ROUNDS = 60;

/**
 * The first three principal components of patch features as red, green and blue: each from its lowest value, 0, to its
 * highest, 255. Signs are such that the largest score of a component, by amount, is positive.
 *
 * @param patches float32 [rows · cols, D]
 * @returns RGB bytes, one pixel a patch
 */
export function patchColors(
  patches: Float32Array,
  grid: readonly [number, number],
): { data: Uint8Array; width: number; height: number } {
  const [rows, cols] = checkPatches('patchColors', patches, grid);
  const scores = principalScores(patches, rows * cols, 3);
  const data = new Uint8Array(3 * rows * cols);
  for (const [c, column] of scores.entries()) {
    const [low, high] = [Math.min(...column), Math.max(...column)];
    for (const [i, value] of column.entries()) {
      data[3 * i + c] = high > low ? Math.round((255 * (value - low)) / (high - low)) : 0;
    }
  }
  return { data, width: cols, height: rows };
}

/** Scores of the rows of x [count, D], its columns centred, on the first `components` principal axes. */
export function principalScores(x: Float32Array, count: number, components: number): Float64Array[] {
  const width = x.length / count;
  const centred = centre(x, count, width);
  const some = Math.min(components, count, width);
  // Vectors over the rows: the axes of the Gram matrix, whose eigenvalues are the squared singular values.
  let basis = Array.from({ length: some }, (_, c) =>
    Float64Array.from({ length: count }, (_, i) => Math.cos((i + 1) * (c + 1) * 1.7)),
  );
  for (let round = 0; round < ROUNDS; round++) {
    orthonormalise(basis);
    basis = basis.map((vector) => timesGram(centred, vector, count, width));
  }
  const lengths = basis.map((vector) => Math.sqrt(Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0))));
  orthonormalise(basis);
  return basis.map((vector, c) => {
    const peak = vector.reduce((best, v) => (Math.abs(v) > Math.abs(best) ? v : best), 0);
    const scale = (peak < 0 ? -1 : 1) * lengths[c]!;
    return vector.map((v) => v * scale);
  });
}

function centre(x: Float32Array, count: number, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (let i = 0; i < x.length; i++) mean[i % width]! += x[i]! / count;
  return Float64Array.from(x, (value, i) => value - mean[i % width]!);
}

/** x xᵀ v of x [count, width]. */
function timesGram(
  x: Float64Array,
  v: Float64Array,
  count: number,
  width: number,
): Float64Array<ArrayBuffer> {
  const inner = new Float64Array(width);
  for (let i = 0; i < count; i++) for (let d = 0; d < width; d++) inner[d]! += x[i * width + d]! * v[i]!;
  return Float64Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let d = 0; d < width; d++) sum += x[i * width + d]! * inner[d]!;
    return sum;
  });
}

/** Gram-Schmidt, in place. A vector of which nothing is left becomes 0. */
function orthonormalise(vectors: Float64Array[]): void {
  for (const [c, vector] of vectors.entries()) {
    const before = Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0));
    for (const other of vectors.slice(0, c)) {
      const along = vector.reduce((sum, v, i) => sum + v * other[i]!, 0);
      for (const i of vector.keys()) vector[i]! -= along * other[i]!;
    }
    const length = Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0));
    const scale = length > 1e-9 * before ? 1 / length : 0;
    for (const i of vector.keys()) vector[i]! *= scale;
  }
}

function dot(a: Float32Array, b: Float32Array, i: number, j: number, width: number): number {
  let sum = 0;
  for (let d = 0; d < width; d++) sum += a[i * width + d]! * b[j * width + d]!;
  return sum;
}
