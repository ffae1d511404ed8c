/** What every kernel of products has: its shape, how a tile is chosen, and what becomes of a sum. */
import type { Activation } from '../../ops/interface.js';
import { type ArrayBinding, activationFunction, reader, type Scalar, writer } from './wgsl.js';

export interface LinearShape {
  readonly k: number;
  readonly n: number;
  readonly input: Scalar;
  readonly kernel: Scalar;
  readonly output: Scalar;
  readonly activation?: Activation;
  /** Which of these there are, bound in this order behind input and kernel. */
  readonly operands: readonly ('bias' | 'scale' | 'residual')[];
}

/** A workgroup's part of a product, and the fewest workgroups that keep a large GPU at work on tiles of its kind. */
export interface TileChoice {
  readonly rows: number;
  readonly columns: number;
  readonly enough: number;
}

/** The first of tiles, the largest first, that gives workgroups enough; the last one always does. */
export function chooseTile<T extends TileChoice>(tiles: readonly T[], rows: number, columns: number): T {
  const groups = (tile: T) => Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  return tiles.find((tile) => groups(tile) >= tile.enough)!;
}

/**
 * Bindings behind input and kernel, and WGSL of `finish(row, i, sum)`, which writes numbers 4i … 4i+3 of a row:
 * scale · activation(sum + bias) + residual. It needs a constant N, the length of a row; sizes: [rows, …].
 */
export function epilogue(
  { n, operands, activation, output }: LinearShape,
  width: 1 | 4,
): { bindings: readonly ArrayBinding[]; code: string } {
  const has = (operand: LinearShape['operands'][number]) => operands.includes(operand);
  const given = operands.map((name): ArrayBinding => ({ name, type: 'f32', width }));
  const y: ArrayBinding = { name: 'y', type: output, width, write: true };
  const code = `
${given.map((binding) => reader(`${binding.name}At`, binding, n)).join('\n')}
${writer('write', y, n)}
${activationFunction(activation)}
fn finish(row : u32, i : u32, sum : vec4<f32>) {
  if (row >= sizes.x || 4u * i >= N) { return; }
  var value = ${has('bias') ? 'sum + biasAt(0u, i)' : 'sum'};
  value = activate(value);
  ${has('scale') ? 'value *= scaleAt(0u, i);' : ''}
  ${has('residual') ? 'value += residualAt(row, i);' : ''}
  write(row, i, value);
}`;
  return { bindings: [...given, y], code };
}
