import { normedLinearKernel } from './linearKernel.js';
import type { LinearShape } from './product.js';
import type { Slot, Step } from './record.js';
import { LINEAR_TILES, type Tile } from './tiledProduct.js';

/** What a step computes, where it may be joined to another. */
export type StepKind =
  | { readonly kind: 'norm'; readonly epsilon: number }
  | { readonly kind: 'product'; readonly shape: LinearShape; readonly tile: Tile };

/** Of a larger one each workgroup would read its rows' numbers anew, where that is what takes the time. */
const SMALL = LINEAR_TILES.at(-1)!;

/** Arrays that every device binds to a shader (maxStorageBuffersPerShaderStage). */
const MOST_BOUND = 8;

/**
 * Joins each norm to the one product that reads it, where tiles are small: there a pass is bound by the number of its
 * dispatches, on the host and on the GPU, and not by what each reads. The numbers stay the same to the bit.
 */
export function fuseNorms(steps: readonly Step[], output: Slot): Step[] {
  const readers = new Map<Step['operands'][number], Step[]>();
  for (const step of steps) {
    for (const operand of step.operands.slice(0, -1)) {
      readers.set(operand, [...(readers.get(operand) ?? []), step]);
    }
  }
  const joined = new Map<Step, Step | undefined>();
  for (const norm of steps) {
    if (norm.of?.kind !== 'norm') continue;
    const y = norm.operands.at(-1)!;
    const [product, ...others] = readers.get(y) ?? [];
    if (!product || others.length > 0 || y === output) continue;
    const fused = fuse(norm, norm.of.epsilon, product);
    if (!fused) continue;
    joined.set(product, fused);
    joined.set(norm, undefined);
  }
  return steps.flatMap((step) => (joined.has(step) ? (joined.get(step) ?? []) : [step]));
}

function fuse(norm: Step, epsilon: number, product: Step): Step | undefined {
  const { of, operands } = product;
  const [x, gamma, beta, y] = norm.operands;
  if (of?.kind !== 'product' || operands[0] !== y || operands.slice(1).includes(y!)) return undefined;
  const bound = [x!, operands[1]!, gamma!, beta!, ...operands.slice(2)];
  if (of.shape.input !== 'f32' || of.tile !== SMALL || bound.length > MOST_BOUND) return undefined;
  return { ...product, operands: bound, code: normedLinearKernel(of.shape, of.tile, epsilon) };
}
