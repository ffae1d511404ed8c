import { epilogue, type LinearShape, type TileChoice } from './product.js';
import { type ArrayBinding, reader, repeat, shader, widthFor } from './wgsl.js';

/** A workgroup's part of the product: rows and columns of it and of an invocation, and depth at a turn. */
export interface Tile extends TileChoice {
  /** A multiple of 4 of its rows, or 2; a multiple of 4 of its columns. */
  readonly rowsEach: number;
  readonly columnsEach: number;
  readonly depth: number;
}

/** From the largest to the smallest: a large one reads least, a small one leaves no core idle. */
export const LINEAR_TILES: readonly Tile[] = [
  { rows: 128, columns: 128, rowsEach: 8, columnsEach: 8, depth: 8, enough: 160 },
  { rows: 64, columns: 64, rowsEach: 4, columnsEach: 4, depth: 16, enough: 96 },
  { rows: 32, columns: 32, rowsEach: 2, columnsEach: 4, depth: 32, enough: 0 },
];

/**
 * scale · activation(x · kernel + bias) + residual: rows of k numbers → rows of n. Both matrices go through workgroup
 * memory, a depth of some rows at a turn, the next being read meanwhile; an invocation sums a block in registers.
 * sizes: [rows, …].
 */
export function linearKernel(shape: LinearShape, tile: Tile): string {
  const { k, n } = shape;
  const { rows, columns, rowsEach, columnsEach, depth } = tile;
  const across = columns / columnsEach;
  const threads = across * (rows / rowsEach);
  const x: ArrayBinding = { name: 'x', type: shape.input, width: widthFor(k) };
  const kernel: ArrayBinding = { name: 'kernel', type: shape.kernel, width: widthFor(n) };
  const { bindings, code } = epilogue(shape, kernel.width);
  const quads = { rows: rows / 4, columns: columns / 4, depth: depth / 4 };
  const loads = { x: (rows * quads.depth) / threads, kernel: (depth * quads.columns) / threads };
  const blocks = { columns: columnsEach / 4, rows: rowsEach / 4 };
  /** Row of a block's row i: each four of them stand apart, so that neighbours read neighbours. */
  const rowOf = (i: number) =>
    rowsEach < 4
      ? `(down * ${rowsEach}u + ${i}u)`
      : `(down * 4u + ${(i % 4) + (i >> 2) * (rows / blocks.rows)}u)`;
  const columnOf = (j: number) => `(right + ${j * (quads.columns / blocks.columns)}u)`;
  const inDepth = k % depth === 0 ? '' : 'if (4u * i >= K) { return vec4<f32>(0.0); }';
  const body = `
const K = ${k}u;
const N = ${n}u;
${reader('xAt', x, k)}
${reader('kernelAt', kernel, n)}
var<workgroup> xs : array<array<vec4<f32>, ${quads.rows + 1}>, ${depth}>;
var<workgroup> ks : array<array<vec4<f32>, ${quads.columns}>, ${depth}>;
fn xPart(row : u32, i : u32) -> vec4<f32> { ${inDepth} return xAt(min(row, sizes.x - 1u), i); }
fn kernelPart(row : u32, i : u32) -> vec4<f32> {
  if (${k % depth === 0 ? '' : 'row >= K || '}4u * i >= N) { return vec4<f32>(0.0); }
  return kernelAt(row, i);
}
${code}
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let firstRow = group.y * ${rows}u;
  let firstQuad = group.x * ${quads.columns}u;
  let down = index / ${across}u;
  let right = index % ${across}u;
  ${repeat(rowsEach, (i) => repeat(blocks.columns, (j) => `var s${i}_${j} = vec4<f32>(0.0);`))}
  ${repeat(loads.x, (l) => `let xr${l} = (index + ${l * threads}u) / ${quads.depth}u; let xc${l} = (index + ${l * threads}u) % ${quads.depth}u;`)}
  ${repeat(loads.kernel, (l) => `let kr${l} = (index + ${l * threads}u) / ${quads.columns}u; let kc${l} = (index + ${l * threads}u) % ${quads.columns}u;`)}
  ${repeat(loads.x, (l) => `var x${l} = xPart(firstRow + xr${l}, xc${l});`)}
  ${repeat(loads.kernel, (l) => `var k${l} = kernelPart(kr${l}, firstQuad + kc${l});`)}
  for (var depth = 0u; depth < K; depth += ${depth}u) {
    ${repeat(loads.x, (l) => repeat(4, (c) => `xs[4u * xc${l} + ${c}u][xr${l} / 4u][xr${l} % 4u] = x${l}[${c}];`))}
    ${repeat(loads.kernel, (l) => `ks[kr${l}][kc${l}] = k${l};`)}
    workgroupBarrier();
    let next = depth + ${depth}u;
    if (next < K) {
      ${repeat(loads.x, (l) => `x${l} = xPart(firstRow + xr${l}, next / 4u + xc${l});`)}
      ${repeat(loads.kernel, (l) => `k${l} = kernelPart(next + kr${l}, firstQuad + kc${l});`)}
    }
    for (var d = 0u; d < ${depth}u; d++) {
      ${repeat(blocks.columns, (j) => `let b${j} = ks[d][${columnOf(j)}];`)}
      ${
        rowsEach < 4
          ? repeat(rowsEach, (i) => `let a${i} = xs[d][${rowOf(i)} / 4u][${rowOf(i)} % 4u];`)
          : repeat(blocks.rows, (b) => `let q${b} = xs[d][down + ${b * (quads.rows / blocks.rows)}u];`) +
            repeat(rowsEach, (i) => `let a${i} = q${i >> 2}[${i % 4}];`)
      }
      ${repeat(rowsEach, (i) => repeat(blocks.columns, (j) => `s${i}_${j} = fma(vec4<f32>(a${i}), b${j}, s${i}_${j});`))}
    }
    workgroupBarrier();
  }
  ${repeat(rowsEach, (i) => repeat(blocks.columns, (j) => `finish(firstRow + ${rowOf(i)}, firstQuad + ${columnOf(j)}, s${i}_${j});`))}
}`;
  return shader([x, kernel, ...bindings], body);
}
