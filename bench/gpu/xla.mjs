/**
 * XLA by PJRT on random models: compute alone, with images on the device, as PyTorch's figures have it; and images in,
 * logits out, as `predict` gives it, with one batch and with three under way. Argument: JSON {name, dtype, batches,
 * milliseconds, attention}. A line of JSON a batch.
 */
import { namedWeights } from '../../dist/src/models/weights.js';
import '../../dist/src/node/backends.js';
import { PjrtApi } from '../../dist/src/node/pjrt/api.js';
import { PjrtClient } from '../../dist/src/node/pjrt/client.js';
import { findPlugin, programFolder } from '../../dist/src/node/pjrt/plugin.js';
import { ProgramCache } from '../../dist/src/node/pjrt/programCache.js';
import { XlaRuntime } from '../../dist/src/node/pjrt/runtime.js';
import { programModel } from '../../dist/src/node/pjrt/start.js';
import { latencyOf, reference, report, throughputOf } from './measure.mjs';

const { name, dtype, batches, milliseconds = 1000, attention } = JSON.parse(process.argv[2]);
const { model, batchOf, expected } = await reference(name);
const api = new PjrtApi(findPlugin());
const client = new PjrtClient(api, api.isCuda ? { preallocate: false } : {});
const device = client.devices[0];
const weights = namedWeights(model.layersModel);
const runtime = await XlaRuntime.create(device, new ProgramCache(device, programFolder()), {
  model: programModel(model.config),
  read: async (key) => /** @type {Float32Array} */ (weights.get(key).read().dataSync()),
  dtype,
  attention,
});
const { kind, platform } = device;
await report(
  { engine: 'xla', device: kind, version: platform.version, name, dtype, attention },
  batches,
  async (batch) => {
    const images = batchOf(batch);
    const run = () => runtime.run(images, batch);
    const latency = await latencyOf(run, batch, expected, milliseconds);
    const perSecond = await throughputOf(run, batch, milliseconds);
    const compute = await runtime.measure(images, batch, milliseconds);
    return { ...latency, perSecond, compute, computePerSecond: (1000 * batch) / compute };
  },
);
