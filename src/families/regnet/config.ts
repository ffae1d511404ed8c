import { sizeOf } from '../../shape.js';
import type { WeightSpec } from '../vit/weights.js';
import { hasDownsample, type RegnetBlockConfig, regnetBlockWeights } from './shape.js';

/** Blocks of one width; the first of them halves the image. */
export interface RegnetStage {
  readonly depth: number;
  /** Channels of every block, and of its bottleneck. */
  readonly width: number;
  /** Channels of a group of the 3 × 3 convolution. */
  readonly groupWidth: number;
  /** Channels of squeeze-and-excitation's hidden layer in the first block, and in the others; null for RegNetX. */
  readonly squeeze: readonly [first: number, others: number] | null;
}

/** The shape of a RegNet (arXiv 2003.13678), as its checkpoint's tensors tell it. */
export interface RegnetConfig {
  readonly name: string;
  /** [height, width] in pixels that it is evaluated with; it takes any other. */
  readonly imgSize: readonly [number, number];
  readonly numClasses: number;
  readonly stemWidth: number;
  readonly stages: readonly RegnetStage[];
}

/** The blocks in order. */
export function regnetBlocks({ stemWidth, stages }: RegnetConfig): RegnetBlockConfig[] {
  return stages.flatMap(({ depth, width, groupWidth, squeeze }, s) => {
    const before = stages[s - 1]?.width ?? stemWidth;
    return Array.from({ length: depth }, (_, b) => ({
      name: `s${s + 1}.b${b + 1}`,
      inputWidth: b === 0 ? before : width,
      width,
      groupWidth,
      squeeze: squeeze?.[b === 0 ? 0 : 1] ?? null,
      stride: b === 0 ? 2 : 1,
    }));
  });
}

/** Channels that the head pools: those of the last stage. */
export function featureWidth({ stemWidth, stages }: RegnetConfig): number {
  return stages.at(-1)?.width ?? stemWidth;
}

/** Names of a network's weights, in their order. */
export function regnetWeightNames(config: RegnetConfig): string[] {
  const blocks = regnetBlocks(config).flatMap(regnetBlockWeights);
  return ['stem.kernel', 'stem.bias', ...blocks.map(({ name }) => name), 'head.kernel', 'head.bias'];
}

/** Parameters of the network as PyTorch counts them, batch norm's scales and shifts included. */
export function countRegnetParameters(config: RegnetConfig): number {
  const blocks = regnetBlocks(config);
  const values = ({ shape }: Pick<WeightSpec, 'shape'>) => sizeOf(shape);
  const inBlocks = blocks.flatMap(regnetBlockWeights).reduce((sum, spec) => sum + values(spec), 0);
  // A folded convolution has one bias a channel where batch norm has two numbers.
  const folded = blocks.reduce((sum, block) => sum + (hasDownsample(block) ? 4 : 3) * block.width, 0);
  const stem = config.stemWidth * (27 + 2);
  const head = (featureWidth(config) + 1) * config.numClasses;
  return stem + inBlocks + folded + head;
}
