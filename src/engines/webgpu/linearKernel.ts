import type { Activation } from '../../ops/interface.js';
import {
  type ArrayBinding,
  activationFunction,
  reader,
  repeat,
  type Scalar,
  shader,
  widthFor,
  writer,
} from './wgsl.js';

/** A workgroup's part of the product: rows and columns of it and of an invocation, and depth at a turn. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  /** A multiple of 4 of its rows, or 2; a multiple of 4 of its columns. */
  readonly rowsEach: number;
  readonly columnsEach: number;
  readonly depth: number;
}

export interface LinearShape {
  readonly k: number;
  readonly n: number;
  readonly tile: Tile;
  readonly input: Scalar;
  readonly kernel: Scalar;
  readonly output: Scalar;
  readonly activation?: Activation;
  /** Which of these there are, bound in this order behind input and kernel. */
  readonly operands: readonly ('bias' | 'scale' | 'residual')[];
}

/** From the largest to the smallest: a large one reads least, a small one leaves no core idle. */
const TILES: readonly Tile[] = [
  { rows: 128, columns: 128, rowsEach: 8, columnsEach: 8, depth: 8 },
  { rows: 64, columns: 64, rowsEach: 4, columnsEach: 4, depth: 16 },
  { rows: 32, columns: 32, rowsEach: 2, columnsEach: 4, depth: 32 },
];

/** Workgroups that keep a large GPU at work. */
const ENOUGH = [160, 96, 0];

export function tileFor(rows: number, columns: number): Tile {
  const groups = (tile: Tile) => Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  return TILES.find((tile, i) => groups(tile) >= ENOUGH[i]!)!;
}

/**
 * scale · activation(x · kernel + bias) + residual: rows of k numbers → rows of n. Both matrices go through workgroup
 * memory, a depth of some rows at a turn, the next being read meanwhile; an invocation sums a block in registers.
 * sizes: [rows, …].
 */
export function linearKernel(shape: LinearShape): string {
  const { k, n, tile, operands } = shape;
  const { rows, columns, rowsEach, columnsEach, depth } = tile;
  const across = columns / columnsEach;
  const threads = across * (rows / rowsEach);
  const has = (operand: LinearShape['operands'][number]) => operands.includes(operand);
  const x: ArrayBinding = { name: 'x', type: shape.input, width: widthFor(k) };
  const kernel: ArrayBinding = { name: 'kernel', type: shape.kernel, width: widthFor(n) };
  const rest = operands.map((name): ArrayBinding => ({ name, type: 'f32', width: kernel.width }));
  const y: ArrayBinding = { name: 'y', type: shape.output, width: kernel.width, write: true };
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
${operands.map((name, i) => reader(`${name}At`, rest[i]!, n)).join('\n')}
${writer('write', y, n)}
${activationFunction(shape.activation)}
var<workgroup> xs : array<array<vec4<f32>, ${quads.rows + 1}>, ${depth}>;
var<workgroup> ks : array<array<vec4<f32>, ${quads.columns}>, ${depth}>;
fn xPart(row : u32, i : u32) -> vec4<f32> { ${inDepth} return xAt(min(row, sizes.x - 1u), i); }
fn kernelPart(row : u32, i : u32) -> vec4<f32> {
  if (${k % depth === 0 ? '' : 'row >= K || '}4u * i >= N) { return vec4<f32>(0.0); }
  return kernelAt(row, i);
}
fn finish(row : u32, i : u32, sum : vec4<f32>) {
  if (row >= sizes.x || 4u * i >= N) { return; }
  var value = ${has('bias') ? 'sum + biasAt(0u, i)' : 'sum'};
  value = activate(value);
  ${has('scale') ? 'value *= scaleAt(0u, i);' : ''}
  ${has('residual') ? 'value += residualAt(row, i);' : ''}
  write(row, i, value);
}
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
  return shader([x, kernel, ...rest, y], body);
}
