/**
 * A program of its own: a small model on XLA compared with WASM. Run by setup-native in another process, since a library
 * that does not fit can end the process that loads it. Prints one JSON object, XlaCheck.
 */
import * as tf from '@tensorflow/tfjs-core';
import { attachRuntime, useBackend } from '../../backend.js';
import { createModel } from '../../models/create.js';
import './backend.js';

export interface XlaCheck {
  /** e.g. `xla: cuda, NVIDIA H100 80GB HBM3, float32`. */
  readonly description: string;
  /** Largest difference of its logits from WASM's, relative to the largest logit. */
  readonly difference: number;
}

async function main(): Promise<void> {
  const { description } = await useBackend('xla');
  const small = { embedDim: 64, depth: 2, numHeads: 4, numClasses: 10, distilled: true };
  const model = createModel(small, { imgSize: 32 });
  const x = tf.reshape(tf.sin(tf.range(0, 2 * 32 * 32 * 3)), [2, 32, 32, 3]);
  const expected = await model.predict(x).data<'float32'>();
  await attachRuntime(model, 'xla');
  const found = await model.predict(x).data<'float32'>();
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const most = found.reduce((all, value, i) => Math.max(all, Math.abs(value - expected[i]!)), 0);
  const result: XlaCheck = { description, difference: most / largest };
  console.log(JSON.stringify(result));
  process.exit(0);
}

void main();
