/**
 * A runtime in a process of its own, for bench/native.mjs: threads of one runtime that wait in a loop for work take
 * time from the next. Arguments: largest batch, KIND, then what it opens. Each line of stdin is {"batch", "runs"}; each line of stdout
 * {"times": ms of each run, "logits"} with the logits of the last run. Pictures are those of lib/models.mjs.
 */
import { createInterface } from 'node:readline';
import * as tf from '@tensorflow/tfjs-core';
import { makeModel, makePictures, toPlanes } from './models.mjs';

/** What each kind needs to run a batch: pictures [batch, 224, 224, 3] → logits. */
const kinds = {
  /** Ours on native TensorFlow: `graph`, as `deit predict` and `deit eval` run it, or `layers`, op by op. */
  async tensorflow(name, how) {
    const { attachRuntime, useBackend } = await import('../../dist/src/backend.js');
    await import('../../dist/src/node/native/backend.js');
    await useBackend('tensorflow');
    const model = makeModel(name);
    if (how === 'graph') await attachRuntime(model);
    return (pictures, batch) => {
      const x = tf.tensor4d(pictures, [batch, 224, 224, 3]);
      const y = tf.tidy(() => model.predict(x));
      const logits = y.dataSync();
      tf.dispose([x, y]);
      return logits;
    };
  },
  /** onnxruntime-node on the CPU, a file for each batch size: FILE with `*` for the size. */
  async onnxruntime(pattern, threads) {
    const ort = await import('onnxruntime-node');
    const sessions = new Map();
    return async (pictures, batch) => {
      if (!sessions.has(batch)) {
        const options = { intraOpNumThreads: Number(threads) };
        sessions.set(batch, await ort.InferenceSession.create(pattern.replace('*', batch), options));
      }
      const session = sessions.get(batch);
      const images = new ort.Tensor('float32', planes.subarray(0, pictures.length), [batch, 3, 224, 224]);
      return (await session.run({ [session.inputNames[0]]: images }))[session.outputNames[0]].data;
    };
  },
};

const [largest, kind, ...args] = process.argv.slice(2);
const pictures = makePictures(Number(largest));
const planes = toPlanes(pictures, Number(largest));
const run = await kinds[kind](...args);
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { batch, runs } = JSON.parse(line);
  const part = pictures.subarray(0, batch * 224 * 224 * 3);
  const times = [];
  let logits;
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    logits = await run(part, batch);
    times.push(performance.now() - start);
  }
  console.log(JSON.stringify({ times, logits: [...logits] }));
}
