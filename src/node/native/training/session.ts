/** A TensorFlow graph in a session of its own: fed and fetched by the names of its nodes. */
import { rm } from 'node:fs/promises';
import type * as tf from '@tensorflow/tfjs-core';
import type { GraphNode } from '../../../../converters/write/savedModel/graphBuilder.js';
import { writeGraph } from '../../../../converters/write/savedModel/index.js';
import { UserError } from '../../../errors.js';
import { makeTemporaryFolder } from '../../temporaryFolder.js';
import { folderSink } from '../graphRuntime.js';
import type { TfjsNode } from '../tfjsNode.js';

export interface GraphSession {
  /** Feeds tensors by the names of nodes; gives the results of others, which are the caller's. */
  run(feeds: Readonly<Record<string, tf.Tensor>>, fetches: readonly string[]): tf.Tensor[];
  dispose(): void;
}

/** The graph goes through a temporary folder that is removed at once. */
export async function openSession(tfjsNode: TfjsNode, nodes: readonly GraphNode[]): Promise<GraphSession> {
  const backend = tfjsNode.backend();
  const folder = await makeTemporaryFolder('deit-graph-');
  try {
    const tag = await writeGraph(nodes, folderSink(folder));
    const id = backend.loadSavedModelMetaGraph(folder, tag);
    return {
      run(feeds, fetches) {
        const infos = Object.keys(feeds).map((name) => ({ name: `${name}:0`, tfDtype: 'DT_FLOAT' }));
        const outputs = fetches.map((name) => `${name}:0`);
        try {
          return backend.runSavedModel(id, Object.values(feeds), infos, outputs);
        } catch (error) {
          throw outOfMemory(error) ?? error;
        }
      },
      dispose: () => backend.deleteSavedModel(id),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What TensorFlow's error means to a run, if it is that memory was full. */
function outOfMemory(error: unknown): UserError | undefined {
  if (!/\bOOM\b|RESOURCE_EXHAUSTED|out of memory/i.test((error as Error).message)) return undefined;
  return new UserError(
    "TensorFlow's memory is full: go on from the last checkpoint (deit train --resume) with a smaller batchSize " +
      '(accumulate makes up for it)',
    { cause: error },
  );
}
