/**
 * A program of its own: a small model on native TensorFlow, as a graph and op by op, compared with WASM. Run by
 * setup-native in another process, since a library that does not fit can end the process that loads it. Prints one
 * JSON object, CheckResult.
 */
import * as tf from '@tensorflow/tfjs-core';
import { attachRuntime, useBackend } from '../../../backend.js';
import { createModel } from '../../../models/create.js';
import type { VisionTransformer } from '../../../models/visionTransformer.js';
import '../backend.js';
import { loadTfjsNode } from '../tfjsNode.js';

export interface CheckResult {
  /** TensorFlow's own version. */
  readonly tensorflow: string;
  /** Whether it computes on a GPU. */
  readonly cuda: boolean;
  /** Folder in which tfjs-node was found. */
  readonly from: string;
  /** Largest difference of its logits, graph and op by op, from WASM's, relative to the largest logit. */
  readonly difference: number;
}

const SMALL = { embedDim: 64, depth: 2, numHeads: 4, numClasses: 10, distilled: true };

async function logits(model: VisionTransformer): Promise<Float32Array> {
  const { imgSize, inChans } = model.config;
  const x = tf.sin(tf.range(0, 2 * imgSize[0] * imgSize[1] * inChans));
  const y = model.predict(tf.reshape(x, [2, ...imgSize, inChans]));
  return (await y.data<'float32'>()) as Float32Array;
}

function difference(a: Float32Array, b: Float32Array): number {
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / largest;
}

await useBackend('wasm');
const expected = await logits(createModel(SMALL, { imgSize: 32 }));
await useBackend('tensorflow');
const model = createModel(SMALL, { imgSize: 32 });
const opByOp = await logits(model);
await attachRuntime(model, 'tensorflow');
const graph = await logits(model);
const { tfjsNode, from } = await loadTfjsNode();
const { isUsingGpuDevice, binding } = tfjsNode.backend();
const result: CheckResult = {
  tensorflow: binding.TF_Version,
  cuda: isUsingGpuDevice,
  from,
  difference: Math.max(difference(opByOp, expected), difference(graph, expected)),
};
console.log(JSON.stringify(result));
