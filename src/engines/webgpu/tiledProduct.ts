/** The main loop of a product of matrices through workgroup memory. */
import type { TileChoice } from './product.js';
import { repeat } from './wgsl.js';

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

export interface ProductParts {
  /** Whether the left matrix lies as columns of the result: depth by depth. */
  readonly leftTransposed?: boolean;
  /** Whether the right matrix lies column by column. */
  readonly rightTransposed?: boolean;
  /** Expressions of WGSL: the depths that a workgroup sums over, from a multiple of every tile's depth on. */
  readonly from: string;
  readonly to: string;
  /** What a workgroup does before all else, where it has `index` and `firstRow`. */
  readonly first?: string;
  /** Whether the sums of the right matrix' columns are wanted: `finishSums(i, sum)` gets them. */
  readonly sums?: boolean;
}

/**
 * The entry point of a shader. Both matrices go through workgroup memory, a depth of some rows at a turn, the next being
 * read meanwhile; an invocation sums a block in registers. It calls functions that the shader has:
 *
 * - `leftPart(row, i)`: numbers 4i … 4i+3 of a row; transposed, of a depth: `leftPart(depth, i)`;
 * - `rightPart(depth, i)`: likewise; transposed, of a column: `rightPart(column, i)`. Both give zeros beyond the depths;
 * - `finish(row, i, sum)`: numbers 4i … 4i+3 of a row of the result.
 */
export function tiledProduct(
  tile: Tile,
  { leftTransposed, rightTransposed, from, to, first = '', sums }: ProductParts,
): string {
  const { rows, columns, rowsEach, columnsEach, depth } = tile;
  const across = columns / columnsEach;
  const threads = across * (rows / rowsEach);
  const quads = { rows: rows / 4, columns: columns / 4, depth: depth / 4 };
  const loads = { left: (rows * quads.depth) / threads, right: (depth * quads.columns) / threads };
  const blocks = { columns: columnsEach / 4, rows: rowsEach / 4 };
  /** Row of a block's row i: each four of them stand apart, so that neighbours read neighbours. */
  const rowOf = (i: number) =>
    rowsEach < 4
      ? `(down * ${rowsEach}u + ${i}u)`
      : `(down * 4u + ${(i % 4) + (i >> 2) * (rows / blocks.rows)}u)`;
  const columnOf = (j: number) => `(right + ${j * (quads.columns / blocks.columns)}u)`;
  // A line of what an invocation reads has so many parts: of its depths, or of its rows or columns.
  const lineOf = {
    left: leftTransposed ? quads.rows : quads.depth,
    right: rightTransposed ? quads.depth : quads.columns,
  };
  const places = (side: 'left' | 'right') =>
    repeat(
      loads[side],
      (l) =>
        `let ${side}Row${l} = (index + ${l * threads}u) / ${lineOf[side]}u; let ${side}Quad${l} = (index + ${l * threads}u) % ${lineOf[side]}u;`,
    );
  const leftAt = (l: number, depth: string) =>
    leftTransposed
      ? `leftPart(${depth} + leftRow${l}, firstRow / 4u + leftQuad${l})`
      : `leftPart(firstRow + leftRow${l}, (${depth}) / 4u + leftQuad${l})`;
  const rightAt = (l: number, depth: string) =>
    rightTransposed
      ? `rightPart(4u * firstQuad + rightRow${l}, (${depth}) / 4u + rightQuad${l})`
      : `rightPart(${depth} + rightRow${l}, firstQuad + rightQuad${l})`;
  /** To workgroup memory, which has a line a depth. */
  const store = (side: 'left' | 'right', l: number, straight: boolean) => {
    const array = `${side}s`;
    const [row, quad] = [`${side}Row${l}`, `${side}Quad${l}`];
    if (straight) return `${array}[${row}][${quad}] = ${side}${l};`;
    return repeat(4, (c) => `${array}[4u * ${quad} + ${c}u][${row} / 4u][${row} % 4u] = ${side}${l}[${c}];`);
  };
  return `
var<workgroup> lefts : array<array<vec4<f32>, ${quads.rows + (leftTransposed ? 0 : 1)}>, ${depth}>;
var<workgroup> rights : array<array<vec4<f32>, ${quads.columns + (rightTransposed ? 1 : 0)}>, ${depth}>;
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let firstRow = group.y * ${rows}u;
  let firstQuad = group.x * ${quads.columns}u;
  let down = index / ${across}u;
  let right = index % ${across}u;
  ${first}
  let start = ${from};
  let end = ${to};
  ${repeat(rowsEach, (i) => repeat(blocks.columns, (j) => `var s${i}_${j} = vec4<f32>(0.0);`))}
  ${sums ? repeat(blocks.columns, (j) => `var t${j} = vec4<f32>(0.0);`) : ''}
  ${places('left')}
  ${places('right')}
  ${repeat(loads.left, (l) => `var left${l} = ${leftAt(l, 'start')};`)}
  ${repeat(loads.right, (l) => `var right${l} = ${rightAt(l, 'start')};`)}
  for (var depth = start; depth < end; depth += ${depth}u) {
    ${repeat(loads.left, (l) => store('left', l, leftTransposed === true))}
    ${repeat(loads.right, (l) => store('right', l, rightTransposed !== true))}
    workgroupBarrier();
    let next = depth + ${depth}u;
    if (next < end) {
      ${repeat(loads.left, (l) => `left${l} = ${leftAt(l, 'next')};`)}
      ${repeat(loads.right, (l) => `right${l} = ${rightAt(l, 'next')};`)}
    }
    for (var d = 0u; d < ${depth}u; d++) {
      ${repeat(blocks.columns, (j) => `let b${j} = rights[d][${columnOf(j)}];`)}
      ${
        rowsEach < 4
          ? repeat(rowsEach, (i) => `let a${i} = lefts[d][${rowOf(i)} / 4u][${rowOf(i)} % 4u];`)
          : repeat(blocks.rows, (b) => `let q${b} = lefts[d][down + ${b * (quads.rows / blocks.rows)}u];`) +
            repeat(rowsEach, (i) => `let a${i} = q${i >> 2}[${i % 4}];`)
      }
      ${repeat(rowsEach, (i) => repeat(blocks.columns, (j) => `s${i}_${j} = fma(vec4<f32>(a${i}), b${j}, s${i}_${j});`))}
      ${sums ? `if (group.y == 0u && down == 0u) { ${repeat(blocks.columns, (j) => `t${j} += b${j};`)} }` : ''}
    }
    workgroupBarrier();
  }
  ${repeat(rowsEach, (i) => repeat(blocks.columns, (j) => `finish(firstRow + ${rowOf(i)}, firstQuad + ${columnOf(j)}, s${i}_${j});`))}
  ${sums ? `if (group.y == 0u && down == 0u) { ${repeat(blocks.columns, (j) => `finishSums(firstQuad + ${columnOf(j)}, t${j});`)} }` : ''}
}`;
}
