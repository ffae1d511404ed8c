/**
 * What a forward pass on WebGPU costs its host, images in and logits out: the time in which JavaScript and Dawn make its
 * commands, with a device that computes nothing (Dawn's null backend), so that no GPU is needed and the driver's share is
 * not in it. Processor time of the process, least of rounds of many passes. Argument: JSON {name, batch, rounds, passes}; a
 * line of JSON, ms a pass; `start` is the part before the call returns.
 */
import { WebgpuEngine } from '../../dist/src/engines/webgpu/engine.js';
import { forward } from '../../dist/src/families/vit/forward.js';
import { weightSpecs } from '../../dist/src/families/vit/weights.js';
import { resolveConfig } from '../../dist/src/models/create.js';
import { loadDawn } from '../../dist/src/node/webgpu/dawn.js';
import { sizeOf } from '../../dist/src/shape.js';
import { median, processorClock } from '../lib/race.mjs';

const { name = 'tiny', batch = 1, rounds = 15, passes = 200 } = JSON.parse(process.argv[2] ?? '{}');
const dawn = await loadDawn();
const gpu = dawn.create(['backend=null']);
const adapter = await gpu.requestAdapter();
const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
const device = await adapter.requestDevice({
  requiredLimits: { maxStorageBufferBindingSize, maxBufferSize },
});
const config = resolveConfig(`deit_${name}_distilled_patch16_224`);
const weights = weightSpecs(config);
const buffers = new Map(
  weights.map((row) => [row.name, device.createBuffer({ size: 4 * sizeOf(row.shape), usage: 0x80 | 4 })]),
);
const engine = new WebgpuEngine({
  device,
  outputs: { logits: (ops, images) => forward(ops, config, images) },
  weights,
  weight: (weight) => buffers.get(weight),
  inputShape: [...config.imgSize, config.inChans],
});
const images = new Float32Array(batch * sizeOf(config.imgSize) * config.inChans);
const found = { processor: [], wall: [], start: [] };
for (let round = -2; round < rounds; round++) {
  const begun = processorClock();
  const began = performance.now();
  let start = 0;
  for (let pass = 0; pass < passes; pass++) {
    const called = performance.now();
    const answer = engine.run(images, batch);
    start += performance.now() - called;
    await answer;
  }
  if (round < 0) continue;
  found.processor.push((processorClock() - begun) / passes);
  found.wall.push((performance.now() - began) / passes);
  found.start.push(start / passes);
}
const rows = Object.entries(found).map(([key, times]) => [
  key,
  { least: Math.min(...times), median: median(times) },
]);
console.log(
  JSON.stringify({ forwardHost: name, images: batch, ...Object.fromEntries(rows) }, (_, value) =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value,
  ),
);
globalThis.kept = gpu;
process.exit(0);
