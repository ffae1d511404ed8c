import { epilogue, type LinearShape, type TileChoice } from './product.js';
import { type ArrayBinding, repeat, shader } from './wgsl.js';

/** A workgroup's part of the product, and a subgroup's part of that. */
export interface MatrixTile extends TileChoice {
  readonly subgroupRows: number;
  readonly subgroupColumns: number;
}

/** Invocations of a subgroup. */
const LANES = 32;
/** Side of the matrices that a subgroup multiplies at once. */
const SIDE = 16;
/** Depth at a turn. */
const DEPTH = 32;
/** Numbers between rows in workgroup memory, so that neighbours lie in different banks. */
const GAP = 8;

export const MATRIX_TILES: readonly MatrixTile[] = [
  { rows: 128, columns: 128, subgroupRows: 64, subgroupColumns: 32, enough: 120 },
  { rows: 64, columns: 64, subgroupRows: 32, subgroupColumns: 32, enough: 0 },
];

/** Bytes of workgroup memory that the largest tile takes. */
export const MATRIX_MEMORY = Math.max(
  ...MATRIX_TILES.map(({ rows, columns, subgroupRows, subgroupColumns }) => {
    const subgroups = (rows / subgroupRows) * (columns / subgroupColumns);
    return 2 * (rows * (DEPTH + GAP) + DEPTH * (columns + GAP)) + 4 * subgroups * SIDE * SIDE;
  }),
);

/** Features behind `enable`. */
const FEATURES = ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'];

/**
 * As linearKernel, float16 on the units that multiply whole matrices (tensor cores), with sums in float32:
 * chromium-experimental-subgroup-matrix, products of 16 × 16 × 16, subgroups of 32. k and n are multiples of 4.
 */
export function matrixKernel(shape: LinearShape, tile: MatrixTile): string {
  const { k, n } = shape;
  const { rows, columns, subgroupRows, subgroupColumns } = tile;
  const across = columns / subgroupColumns;
  const subgroups = across * (rows / subgroupRows);
  const threads = subgroups * LANES;
  const x: ArrayBinding = { name: 'x', type: 'f16', width: 4 };
  const kernel: ArrayBinding = { name: 'kernel', type: 'f16', width: 4 };
  const { bindings, code } = epilogue(shape, 4);
  const stride = { x: DEPTH + GAP, kernel: columns + GAP };
  const quads = { x: DEPTH / 4, kernel: columns / 4 };
  const loads = { x: (rows * quads.x) / threads, kernel: (DEPTH * quads.kernel) / threads };
  const parts = { down: subgroupRows / SIDE, right: subgroupColumns / SIDE };
  const type = (role: string, scalar: string) => `subgroup_matrix_${role}<${scalar}, ${SIDE}, ${SIDE}>`;
  const store = (array: string, at: string, values: string) =>
    repeat(4, (c) => `${array}[${at} + ${c}u] = ${values}[${c}];`);
  const body = `
const K = ${k}u;
const N = ${n}u;
var<workgroup> xs : array<f16, ${rows * stride.x}>;
var<workgroup> ks : array<f16, ${DEPTH * stride.kernel}>;
var<workgroup> sums : array<f32, ${subgroups * SIDE * SIDE}>;
fn xPart(row : u32, i : u32) -> vec4<f16> {
  ${k % DEPTH === 0 ? '' : 'if (4u * i >= K) { return vec4<f16>(); }'}
  return x[min(row, sizes.x - 1u) * ${k / 4}u + i];
}
fn kernelPart(row : u32, i : u32) -> vec4<f16> {
  if (${k % DEPTH === 0 ? '' : 'row >= K || '}4u * i >= N) { return vec4<f16>(); }
  return kernel[row * ${n / 4}u + i];
}
${code}
@compute @workgroup_size(${threads})
fn main(
  @builtin(local_invocation_index) index : u32,
  @builtin(workgroup_id) group : vec3<u32>,
  @builtin(subgroup_id) subgroup : u32,
  @builtin(subgroup_invocation_id) lane : u32,
) {
  let firstRow = group.y * ${rows}u;
  let firstQuad = group.x * ${quads.kernel}u;
  let top = subgroup / ${across}u * ${subgroupRows}u;
  let left = subgroup % ${across}u * ${subgroupColumns}u;
  ${repeat(parts.down, (i) => repeat(parts.right, (j) => `var c${i}_${j} : ${type('result', 'f32')};`))}
  ${repeat(loads.x, (l) => `let xr${l} = (index + ${l * threads}u) / ${quads.x}u; let xc${l} = (index + ${l * threads}u) % ${quads.x}u;`)}
  ${repeat(loads.kernel, (l) => `let kr${l} = (index + ${l * threads}u) / ${quads.kernel}u; let kc${l} = (index + ${l * threads}u) % ${quads.kernel}u;`)}
  ${repeat(loads.x, (l) => `var x${l} = xPart(firstRow + xr${l}, xc${l});`)}
  ${repeat(loads.kernel, (l) => `var k${l} = kernelPart(kr${l}, firstQuad + kc${l});`)}
  for (var depth = 0u; depth < K; depth += ${DEPTH}u) {
    ${repeat(loads.x, (l) => store('xs', `xr${l} * ${stride.x}u + 4u * xc${l}`, `x${l}`))}
    ${repeat(loads.kernel, (l) => store('ks', `kr${l} * ${stride.kernel}u + 4u * kc${l}`, `k${l}`))}
    workgroupBarrier();
    let next = depth + ${DEPTH}u;
    if (next < K) {
      ${repeat(loads.x, (l) => `x${l} = xPart(firstRow + xr${l}, next / 4u + xc${l});`)}
      ${repeat(loads.kernel, (l) => `k${l} = kernelPart(next + kr${l}, firstQuad + kc${l});`)}
    }
    for (var d = 0u; d < ${DEPTH}u; d += ${SIDE}u) {
      ${repeat(parts.down, (i) => `let a${i} = subgroupMatrixLoad<${type('left', 'f16')}, row_major>(&xs, (top + ${SIDE * i}u) * ${stride.x}u + d, ${stride.x}u);`)}
      ${repeat(parts.right, (j) => `let b${j} = subgroupMatrixLoad<${type('right', 'f16')}, row_major>(&ks, d * ${stride.kernel}u + left + ${SIDE * j}u, ${stride.kernel}u);`)}
      ${repeat(parts.down, (i) => repeat(parts.right, (j) => `c${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, c${i}_${j});`))}
    }
    workgroupBarrier();
  }
  let row = lane / 2u;
  let quad = lane % 2u * 2u;
  let at = subgroup * ${SIDE * SIDE}u + row * ${SIDE}u + quad * 4u;
  ${repeat(parts.down, (i) =>
    repeat(
      parts.right,
      (j) => `
  subgroupMatrixStore<row_major>(&sums, subgroup * ${SIDE * SIDE}u, c${i}_${j}, ${SIDE}u);
  workgroupBarrier();
  ${repeat(2, (h) => `finish(firstRow + top + ${SIDE * i}u + row, firstQuad + left / 4u + ${(SIDE / 4) * j + h}u + quad, vec4<f32>(sums[at + ${4 * h}u], sums[at + ${4 * h + 1}u], sums[at + ${4 * h + 2}u], sums[at + ${4 * h + 3}u]));`)}
  workgroupBarrier();`,
    ),
  )}
}`;
  return shader([x, kernel, ...bindings], body, FEATURES);
}
