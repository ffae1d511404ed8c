/**
 * What waiting for a GPU costs the thread that waits: with Dawn's binding as it is, and as the product has it ask
 * (src/node/webgpu/polling.ts), turn by turn. One invocation counts on the adapter for some ms, as a pass does; on a
 * software adapter another core computes it. Linux. Argument: JSON {milliseconds: [2, 10, 50], runs}. A line of JSON for
 * each duration: the least and the median time of a pass and the processor time of this thread, in ms.
 */
import { readFileSync } from 'node:fs';
import * as dawn from 'webgpu';
import { loadDawn } from '../../dist/src/node/webgpu/dawn.js';
import { median } from '../lib/race.mjs';

const { milliseconds = [1, 2, 5, 10, 20, 50, 200, 1000], runs = 15 } = JSON.parse(process.argv[2] ?? '{}');

/** Processor time of this thread, in ms. */
const threadClock = () =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

const CODE = `
@group(0) @binding(0) var<storage, read_write> y : array<u32>;
@compute @workgroup_size(1)
fn main() {
  var state = y[1];
  for (var i = 0u; i < y[0]; i++) { state = state * 1664525u + 1013904223u; }
  y[1] = state;
}`;

// As the package's authors have it: loadDawn changes it.
const buffers = /** @type {{ GPUBuffer: { prototype: GPUBuffer } }} */ (dawn.globals).GPUBuffer.prototype;
const { mapAsync } = buffers;
await loadDawn();
const gpu = dawn.create([]);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice();
const module = device.createShaderModule({ code: CODE });
const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
const counts = device.createBuffer({ size: 8, usage: 0x80 | 8 | 4 });
const reader = device.createBuffer({ size: 8, usage: 1 | 8 });
const layout = pipeline.getBindGroupLayout(0);
const group = device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: counts } }] });

async function pass(count, map) {
  device.queue.writeBuffer(counts, 0, Uint32Array.of(count, 1));
  const [start, begun] = [performance.now(), threadClock()];
  const encoder = device.createCommandEncoder();
  const compute = encoder.beginComputePass();
  compute.setPipeline(pipeline);
  compute.setBindGroup(0, group);
  compute.dispatchWorkgroups(1);
  compute.end();
  encoder.copyBufferToBuffer(counts, 0, reader, 0, 8);
  device.queue.submit([encoder.finish()]);
  await map.call(reader, 1);
  const found = { wall: performance.now() - start, thread: threadClock() - begun };
  reader.unmap();
  return found;
}

const contenders = { dawn: mapAsync, product: buffers.mapAsync };
let perMillisecond = 1e5;
for (let turn = 0; turn < 8; turn++) perMillisecond *= 30 / (await pass(30 * perMillisecond, mapAsync)).wall;
for (const duration of milliseconds) {
  const found = Object.keys(contenders).map((name) => ({ name, passes: [] }));
  for (let run = 0; run < runs; run++) {
    for (const { name, passes } of found) {
      passes.push(await pass(Math.round(duration * perMillisecond), contenders[name]));
    }
  }
  const rows = found.map(({ name, passes }) => {
    const wall = passes.map((each) => each.wall);
    // A mean: the kernel may count it in ticks.
    const thread = passes.reduce((sum, each) => sum + each.thread, 0) / passes.length;
    return [name, { least: Math.min(...wall), median: median(wall), thread }];
  });
  console.log(
    JSON.stringify({ polling: duration, ...Object.fromEntries(rows) }, (_, value) =>
      typeof value === 'number' ? Number(value.toPrecision(4)) : value,
    ),
  );
}
globalThis.kept = gpu;
process.exit(0);
