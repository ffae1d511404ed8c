/** A recorded forward pass with its buffers, pipelines and bind groups: made once for a batch size. */
import { sizeOf } from '../../shape.js';
import type { Pipelines } from './pipelines.js';
import type { Recording, Slot, WeightUse } from './record.js';

/** Flags of GPUBufferUsage, which is a global of browsers and not of every host program. */
export const USAGE = {
  mapRead: 1,
  mapWrite: 2,
  copySrc: 4,
  copyDst: 8,
  uniform: 0x40,
  storage: 0x80,
} as const;

export interface Plan {
  readonly input: GPUBuffer;
  readonly output: GPUBuffer;
  /** Numbers of the output. */
  readonly outputs: number;
  readonly dispatches: readonly Dispatch[];
  /** Buffers that are the plan's own. */
  readonly buffers: readonly GPUBuffer[];
}

export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: readonly [number, number, number];
}

/** Where each slot lies: a buffer serves several, one after the other. */
function allocate({ images, output, steps }: Recording): { lengths: number[]; places: Map<Slot, number> } {
  const last = new Map<Slot, number>();
  steps.forEach(({ operands }, i) => {
    for (const operand of operands) if ('bytes' in operand) last.set(operand, i);
  });
  last.set(output.slot, steps.length);
  const lengths = [images.bytes];
  const places = new Map<Slot, number>([[images, 0]]);
  const free: number[] = [];
  steps.forEach(({ operands }, i) => {
    const slots = operands.filter((operand): operand is Slot => 'bytes' in operand);
    for (const slot of slots) {
      if (places.has(slot)) continue;
      const fitting = free.filter((index) => lengths[index]! >= slot.bytes);
      const best = fitting.sort((a, b) => lengths[a]! - lengths[b]!)[0] ?? free.at(-1);
      if (best === undefined) lengths.push(slot.bytes);
      else {
        free.splice(free.indexOf(best), 1);
        lengths[best] = Math.max(lengths[best]!, slot.bytes);
      }
      places.set(slot, best ?? lengths.length - 1);
    }
    for (const slot of new Set(slots)) {
      if (last.get(slot) === i && slot !== images) free.push(places.get(slot)!);
    }
  });
  return { lengths, places };
}

/** The `sizes` of a shader (see shader). */
export function sizesBuffer(device: GPUDevice, sizes: readonly number[]): GPUBuffer {
  const buffer = device.createBuffer({ size: 16, usage: USAGE.uniform | USAGE.copyDst });
  const four = Uint32Array.from({ length: 4 }, (_, i) => sizes[i] ?? 0);
  device.queue.writeBuffer(buffer, 0, four);
  return buffer;
}

/** @param bound what the shader's bindings are, in their order */
export function dispatchOf(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  bound: readonly GPUBufferBinding[],
  grid: Dispatch['grid'],
): Dispatch {
  const entries = bound.map((resource, binding) => ({ binding, resource }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  return { pipeline, grid, group };
}

export function makePlan(
  device: GPUDevice,
  recording: Recording,
  pipelines: Pipelines,
  weight: (use: WeightUse) => GPUBuffer,
): Plan {
  const { lengths, places } = allocate(recording);
  const usage = USAGE.storage | USAGE.copyDst | USAGE.copySrc;
  const buffers = lengths.map((size) => device.createBuffer({ size, usage }));
  const uniforms = new Map<string, GPUBuffer>();
  const sharedSizes = (sizes: readonly number[]) => {
    const key = sizes.join();
    const buffer = uniforms.get(key) ?? sizesBuffer(device, sizes);
    uniforms.set(key, buffer);
    return buffer;
  };
  const dispatches = recording.steps.map(({ code, operands, sizes, grid }) => {
    const bound: GPUBufferBinding[] = operands.map((operand) =>
      'bytes' in operand
        ? { buffer: buffers[places.get(operand)!]!, size: operand.bytes }
        : { buffer: weight(operand) },
    );
    if (sizes.length > 0) bound.push({ buffer: sharedSizes(sizes) });
    return dispatchOf(device, pipelines.get(code), bound, grid);
  });
  const { output } = recording;
  return {
    input: buffers[places.get(recording.images)!]!,
    output: buffers[places.get(output.slot)!]!,
    outputs: sizeOf(output.shape),
    dispatches,
    buffers: [...buffers, ...uniforms.values()],
  };
}

/** Adds dispatches to an encoder, as one pass. */
export function encodeDispatches(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[]): void {
  const pass = encoder.beginComputePass();
  for (const { pipeline, group, grid } of dispatches) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...grid);
  }
  pass.end();
}
