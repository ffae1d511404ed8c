/**
 * WebGPU in Node on random models. Argument: JSON {name, dtype, batches, milliseconds}. A line of JSON a batch: a pass alone,
 * images in and logits out; the same with three under way; time of the host for one.
 */
import * as tf from '@tensorflow/tfjs-core';
import { attachRuntime, useBackend } from '../../dist/src/backend.js';
import '../../dist/src/node/backends.js';
import { largestDifference, makeModel, makePictures } from '../lib/models.mjs';
import { median, timed, until } from './timing.mjs';

const { name, dtype = 'float32', batches, milliseconds = 1000, layers } = JSON.parse(process.argv[2]);
await useBackend('wasm');
const reference = makeModel(name);
const [height, width] = reference.config.imgSize;
const images = makePictures(8);
const pixels = height * width * 3;
const batchOf = (batch) => {
  const all = new Float32Array(batch * pixels);
  for (let i = 0; i < batch; i++)
    all.set(images.subarray((i % 8) * pixels, ((i % 8) + 1) * pixels), i * pixels);
  return all;
};
const expected = tf.tidy(() =>
  reference
    .predict(tf.tensor4d(batchOf(2), [2, height, width, 3]))
    .dataSync()
    .slice(),
);
process.env.DEIT_WEBGPU_DTYPE = dtype;
const { description } = await useBackend('webgpu');
const model = makeModel(name);
if (!layers) await attachRuntime(model, 'webgpu');
const facts = { engine: layers ? 'webgpu, tfjs' : 'webgpu', device: description, name, dtype };
for (const batch of batches) {
  try {
    const pictures = batchOf(batch);
    const compile = await timed(() => model.predictPixels(pictures, batch));
    const logits = await model.predictPixels(pictures, batch);
    const count = (Math.min(2, batch) * logits.length) / batch;
    const difference = largestDifference(expected.subarray(0, count), logits.subarray(0, count));
    const latencies = await until(milliseconds / 2, () => model.predictPixels(pictures, batch));
    const host = [];
    for (let i = 0; i < 20; i++) {
      const begun = performance.now();
      const answer = model.predictPixels(pictures, batch);
      host.push(performance.now() - begun);
      await answer;
    }
    const started = performance.now();
    let done = 0;
    const lane = async () => {
      while (performance.now() - started < milliseconds) {
        await model.predictPixels(pictures, batch);
        done += batch;
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    const perSecond = (1000 * done) / (performance.now() - started);
    console.log(
      JSON.stringify({
        ...facts,
        batch,
        compile,
        latency: median(latencies),
        host: median(host),
        perSecond,
        difference,
      }),
    );
  } catch (error) {
    console.log(JSON.stringify({ ...facts, batch, error: error.message }));
  }
}
process.exit(0);
