/** A thread that loads a model and, for each message {batches, batchSize}, runs it on that many batches. */
import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { load } from '../../dist/src/node/index.js';
import { makePictures } from './models.mjs';

const { model: path, quantize } = workerData;
const model = await load(path, { backend: 'wasm', quantize });
const [height, width] = model.config.imgSize;
parentPort.on('message', async ({ batches, batchSize }) => {
  const pictures = makePictures(1, Math.max(height, width)).slice(0, height * width * 3);
  const data = new Float32Array(batchSize * pictures.length);
  for (let i = 0; i < batchSize; i++) data.set(pictures, i * pictures.length);
  const start = performance.now();
  for (let i = 0; i < batches; i++) {
    const x = tf.tensor4d(data, [batchSize, height, width, 3]);
    const logits = model.predict(x);
    await logits.data();
    tf.dispose([x, logits]);
  }
  parentPort.postMessage(performance.now() - start);
});
parentPort.postMessage('ready');
