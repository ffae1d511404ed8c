/**
 * onnxruntime-node's WebGPU provider on the same models; it takes one batch at a time. Argument: JSON {name, batches,
 * milliseconds, provider}. A line of JSON a batch.
 */
import * as ort from 'onnxruntime-node';
import { toPlanes } from '../lib/models.mjs';
import { onnxModel } from '../lib/onnxModel.mjs';
import { latencyOf, reference, report } from './measure.mjs';

const { name, batches, milliseconds = 1000, provider = 'webgpu' } = JSON.parse(process.argv[2]);
const { model, batchOf, expected } = await reference(name);
const [height, width] = model.config.imgSize;
const facts = { engine: `onnxruntime-node ${provider}`, name, dtype: 'float32' };
await report(facts, batches, async (batch) => {
  const session = await ort.InferenceSession.create(onnxModel(model, batch, 'pixel_values'), {
    executionProviders: [provider],
  });
  const planes = toPlanes(batchOf(batch), batch);
  const run = async () => {
    const input = new ort.Tensor('float32', planes, [batch, 3, height, width]);
    return (await session.run({ pixel_values: input })).logits.data;
  };
  const latency = await latencyOf(run, batch, expected, milliseconds);
  await session.release();
  return { ...latency, perSecond: (1000 * batch) / latency.latency };
});
