import type { WeightReader } from '../../../src/families/types.js';
import { gridSize, type VitConfig } from '../../../src/families/vit/config.js';
import { forward } from '../../../src/families/vit/forward.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { floatType, GraphBuilder, type GraphNode, shape } from './graphBuilder.js';
import { GraphOps, type Projection } from './graphOps.js';

/** A model as a TensorFlow graph: its nodes and the names of its input and output. */
export interface VitGraph {
  readonly nodes: readonly GraphNode[];
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly output: { readonly name: string; readonly shape: readonly number[] };
}

/**
 * The forward pass of a model in evaluation mode, from images [-1, H, W, C] (normalised, float32) to logits
 * [-1, classes], the mean of both heads' for a distilled model. Weights are read when the nodes are written, in the
 * order of the nodes. The last block computes only the rows that the heads read.
 */
export function buildVitGraph(
  config: VitConfig,
  read: WeightReader,
  g = new GraphBuilder(),
  projection: Projection = 'rows',
): VitGraph {
  const imageShape = [-1, config.imgSize[0], config.imgSize[1], config.inChans];
  const node = g.op('Placeholder', 'images', [], { dtype: floatType, shape: shape(imageShape) });
  const [rows, columns] = gridSize(config);
  const ops = new GraphOps(g, {
    shapes: new Map(weightSpecs(config).map((spec) => [spec.name, spec.shape])),
    read,
    projection,
    patches: rows * columns,
    centred: !config.preNorm && config.finalNorm !== false,
  });
  const output = ops.output(forward(ops, config, { kind: 'images', node }, { outputTokensOnly: true }));
  return {
    nodes: g.nodes,
    input: { name: node, shape: imageShape },
    output: { name: output.node, shape: [-1, output.width] },
  };
}
