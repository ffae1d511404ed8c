import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {
  SAVED_MODEL,
  type WeightGroup,
  writeGraphWithoutValues,
} from '../../../converters/write/savedModel/index.js';
import type { OutputSink } from '../../../converters/write/sink.js';
import type { Runtime, VisionTransformer } from '../../models/visionTransformer.js';
import { namedWeights } from '../../models/weights.js';
import { makeTemporaryFolder } from '../temporaryFolder.js';
import type { TfjsNode } from './tfjsNode.js';

/**
 * A model as one graph on native TensorFlow, which fuses and schedules it as a whole; on the CPU or on CUDA, as the
 * library decides. The graph goes through a folder of some 200 kB that is removed at once; the weights are handed over
 * in memory, a block at a time, and belong to the graph.
 */
export async function graphRuntime(tfjsNode: TfjsNode, model: VisionTransformer): Promise<Runtime> {
  const folder = await makeTemporaryFolder('deit-graph-');
  const load = (signature: string) =>
    model.onBackend(() => tfjsNode.node.loadSavedModel(folder, [SAVED_MODEL.tag], signature));
  try {
    const weights = namedWeights(model.layersModel);
    const read = async (name: string) => (await weights.get(name)!.read().data<'float32'>()) as Float32Array;
    const groups = await writeGraphWithoutValues(model.config, read, folderSink(folder));
    const graph = await load(SAVED_MODEL.signature);
    try {
      // A signature of a folder that is loaded already shares its session, variables and all.
      for (const group of groups) await assign(model, await load(group.signature), group);
    } catch (error) {
      graph.dispose();
      throw error;
    }
    return { predict: (x) => graph.predict(x) as tf.Tensor2D, dispose: () => graph.dispose() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function assign(
  model: VisionTransformer,
  graph: Awaited<ReturnType<TfjsNode['node']['loadSavedModel']>>,
  group: WeightGroup,
): Promise<void> {
  const values: tf.NamedTensorMap = {};
  try {
    for (const [input, weight] of Object.entries(group.inputs)) {
      const loaded = await weight.load();
      values[input] = model.onBackend(() => tf.tensor(loaded, [...weight.shape], 'float32'));
    }
    model.onBackend(() => tf.dispose(graph.predict(values)));
  } finally {
    tf.dispose(values);
    graph.dispose();
  }
}

/** Writes files, each at once, into a folder. */
export function folderSink(folder: string): OutputSink {
  return {
    async write(path, chunks) {
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      await writeFile(join(folder, path), Buffer.concat(parts));
    },
  };
}
