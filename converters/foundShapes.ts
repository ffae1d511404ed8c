import { UserError } from '../src/errors.js';
import { sizeOf } from '../src/shape.js';
import { type FoundModel, missingText, nameInCheckpoint } from './findModel.js';
import type { Located } from './matchNames.js';
import { torchShape } from './tensorLayout.js';

interface ShapeOfRank {
  2: [out: number, in_: number];
  4: [out: number, channels: number, height: number, width: number];
}

/** PyTorch's shape of a weight, its parts put one below the other; undefined if it is not there. */
export function torchShapeOf(found: FoundModel, ours: string): number[] | undefined {
  const parts = found.weights.get(ours);
  if (!parts) return undefined;
  const [first, ...below] = parts;
  const [rows, ...rest] = partShape(found, ours, first);
  if (rows === undefined) return [];
  return [below.reduce((sum, part) => sum + (partShape(found, ours, part)[0] ?? 0), rows), ...rest];
}

/** A part's shape as PyTorch has it: [out, in] of a matrix, [D, C, p, q] of the patch projection. */
function partShape({ naming }: FoundModel, ours: string, { tensor, thirds, stacked }: Located): number[] {
  const shape = stacked === undefined ? [...tensor.shape] : tensor.shape.slice(1);
  if (thirds && shape[0] !== undefined) shape[0] = (shape[0] / 3) * (thirds[1] - thirds[0]);
  if (naming.layout !== 'flax') return shape;
  if (ours === 'patch_embed.kernel') {
    // big_vision's NaFlex has a matrix of whole patches; a square one is what its own code takes it for.
    return shape.length === 4 ? torchShape(shape) : shape;
  }
  if (ours.endsWith('.kernel') && shape.length >= 2) {
    // Heads by themselves: [in, heads, width] of query, key and value, [heads, width, out] of the output.
    const out = isOutput(ours) ? shape.at(-1)! : sizeOf(shape.slice(1));
    return [out, sizeOf(shape) / out];
  }
  if (/\.(bias|gamma|beta)$/.test(ours)) return [sizeOf(shape)];
  return shape;
}

/** Whether a Flax kernel's last axis alone is its output. */
function isOutput(ours: string): boolean {
  return !/\.(qkv|q|kv)\.kernel$/.test(ours);
}

/** As torchShapeOf, of a weight that must be there, with this many axes, none of them empty. */
export function shapeOfRank<R extends 2 | 4>(
  found: FoundModel,
  ours: string,
  rank: R,
  file: string,
): ShapeOfRank[R] {
  const dims = torchShapeOf(found, ours);
  if (!dims) throw new UserError(missingText(file, found, ours));
  if (dims.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    throw new UserError(`${file}: ${nameInCheckpoint(found, ours)} has shape [${dims}]`);
  }
  if (dims.length !== rank)
    throw new UserError(
      `${file}: ${nameInCheckpoint(found, ours)} should have ${rank} axes, has shape [${dims}]`,
    );
  return dims as ShapeOfRank[R];
}

/** Number of attentions, and of MLPs, that lie side by side in a block. */
export function countBranches(found: FoundModel): number {
  let count = 0;
  while (count < 64 && found.weights.has(`blocks.0.attns.${count}.norm.gamma`)) count++;
  return Math.max(1, count);
}
