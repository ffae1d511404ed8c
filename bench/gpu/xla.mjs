/**
 * XLA by PJRT on random models: compute alone, with images on the device, as PyTorch's figures have it; and images in,
 * logits out, as `predict` gives it, two batches under way. Argument: JSON {name, dtype, batches, milliseconds}. A line of
 * JSON a batch.
 */
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../dist/src/backend.js';
import { namedWeights } from '../../dist/src/models/weights.js';
import '../../dist/src/node/backends.js';
import { PjrtApi } from '../../dist/src/node/pjrt/api.js';
import { programModel } from '../../dist/src/node/pjrt/backend.js';
import { PjrtClient } from '../../dist/src/node/pjrt/client.js';
import { findPlugin, programFolder } from '../../dist/src/node/pjrt/plugin.js';
import { ProgramCache } from '../../dist/src/node/pjrt/programCache.js';
import { XlaRuntime } from '../../dist/src/node/pjrt/runtime.js';
import { largestDifference, makeModel, makePictures } from '../lib/models.mjs';
import { median, timed, until } from './timing.mjs';

const { name, dtype, batches, milliseconds = 1000, attention } = JSON.parse(process.argv[2]);
await useBackend('wasm');
const model = makeModel(name);
const [height, width] = model.config.imgSize;
const pixels = height * width * 3;
const images = makePictures(8);
/** The first images again and again. */
const batchOf = (batch) => {
  const all = new Float32Array(batch * pixels);
  for (let i = 0; i < batch; i++)
    all.set(images.subarray((i % 8) * pixels, ((i % 8) + 1) * pixels), i * pixels);
  return all;
};
const expected = tf.tidy(() =>
  model
    .predict(tf.tensor4d(batchOf(2), [2, height, width, 3]))
    .dataSync()
    .slice(),
);

const api = new PjrtApi(findPlugin());
const client = new PjrtClient(api, api.isCuda ? { preallocate: false } : {});
const weights = namedWeights(model.layersModel);
const read = async (key) => weights.get(key).read().dataSync();
const program = programModel(model.config);
const runtime = await XlaRuntime.create(client, new ProgramCache(client, programFolder()), {
  model: program,
  read,
  dtype,
  attention,
});
const facts = {
  engine: 'xla',
  device: client.deviceKind,
  version: client.platformVersion,
  name,
  dtype,
  attention,
};
for (const batch of batches) {
  try {
    const pictures = batchOf(batch);
    const compile = await timed(() => runtime.run(pictures, batch));
    const logits = await runtime.run(pictures, batch);
    const outputs = logits.length / batch;
    const count = Math.min(2, batch) * outputs;
    const difference = largestDifference(expected.subarray(0, count), logits.subarray(0, count));
    const latencies = await until(milliseconds / 2, () => runtime.run(pictures, batch));
    const started = performance.now();
    let done = 0;
    const lane = async () => {
      while (performance.now() - started < milliseconds) {
        await runtime.run(pictures, batch);
        done += batch;
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    const perSecond = (1000 * done) / (performance.now() - started);
    const compute = await runtime.measure(pictures, batch, milliseconds);
    console.log(
      JSON.stringify({
        ...facts,
        batch,
        compile,
        latency: median(latencies),
        perSecond,
        compute,
        computePerSecond: (1000 * batch) / compute,
        difference,
      }),
    );
  } catch (error) {
    console.log(JSON.stringify({ ...facts, batch, error: error.message }));
  }
}
process.exit(0);
