/** onnxruntime-node's WebGPU provider, on the same models. Argument: JSON {name, batches, milliseconds}. A line of JSON a batch. */
import * as tf from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-node';
import { useBackend } from '../../dist/src/backend.js';
import { largestDifference, makeModel, makePictures, toPlanes } from '../lib/models.mjs';
import { onnxModel } from '../lib/onnxModel.mjs';
import { median, timed, until } from './timing.mjs';

const { name, batches, milliseconds = 1000, provider = 'webgpu' } = JSON.parse(process.argv[2]);
await useBackend('wasm');
const model = makeModel(name);
const [height, width] = model.config.imgSize;
const facts = { engine: `onnxruntime-node ${provider}`, name, dtype: 'float32' };
for (const batch of batches) {
  try {
    const images = makePictures(Math.min(8, batch));
    const all = new Float32Array(batch * height * width * 3);
    for (let at = 0; at < all.length; at += images.length) all.set(images.subarray(0, all.length - at), at);
    const count = Math.min(2, batch);
    const first = tf.tensor4d(all.slice(0, count * height * width * 3), [count, height, width, 3]);
    const expected = model.predict(first).dataSync();
    const session = await ort.InferenceSession.create(onnxModel(model, batch, 'pixel_values'), {
      executionProviders: [provider],
    });
    const planes = toPlanes(all, batch);
    const run = async () => {
      const input = new ort.Tensor('float32', planes, [batch, 3, height, width]);
      return (await session.run({ pixel_values: input })).logits.data;
    };
    const compile = await timed(run);
    const logits = await run();
    const difference = largestDifference(expected, logits.subarray(0, expected.length));
    const latency = median(await until(milliseconds, run));
    console.log(
      JSON.stringify({ ...facts, batch, compile, latency, perSecond: (1000 * batch) / latency, difference }),
    );
    await session.release();
  } catch (error) {
    console.log(JSON.stringify({ ...facts, batch, error: error.message }));
  }
}
process.exit(0);
