/**
 * WebGPU in Node on random models, or with `layers` tfjs' own layers there. Argument: JSON {name, dtype, batches,
 * milliseconds, layers}. A line of JSON a batch: images in and logits out, with one batch and with three under way; time of
 * the host for one.
 */
import { attachRuntime, useBackend } from '../../dist/src/backend.js';
import '../../dist/src/node/backends.js';
import { makeModel } from '../lib/models.mjs';
import { median } from '../lib/race.mjs';
import { latencyOf, reference, report, throughputOf } from './measure.mjs';

const HOST_RUNS = 20;

const { name, dtype = 'float32', batches, milliseconds = 1000, layers } = JSON.parse(process.argv[2]);
const { batchOf, expected } = await reference(name);
process.env.DEIT_WEBGPU_DTYPE = dtype;
const { description: device } = await useBackend('webgpu');
const model = makeModel(name);
if (!layers) await attachRuntime(model, 'webgpu');
const engine = layers ? 'webgpu, tfjs' : 'webgpu';
await report({ engine, device, name, dtype }, batches, async (batch) => {
  const images = batchOf(batch);
  const run = () => model.predictPixels(images, batch);
  const latency = await latencyOf(run, batch, expected, milliseconds);
  const host = [];
  for (let i = 0; i < HOST_RUNS; i++) {
    const begun = performance.now();
    const answer = run();
    host.push(performance.now() - begun);
    await answer;
  }
  return { ...latency, host: median(host), perSecond: await throughputOf(run, batch, milliseconds) };
});
