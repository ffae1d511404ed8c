/** A recording's kernels with their buffers and bind groups: made once for a number of images. */
import type { Operand } from '../../wasm/training/record.js';
import type { BufferName } from '../../wasm/training/weightSpace.js';
import type { Pipelines } from '../pipelines.js';
import { type Dispatch, dispatchOf, USAGE } from '../plan.js';
import type { KernelStep, Use } from './kernel.js';
import { ALIGNMENT, placeOf, rootOf } from './space.js';

/** What a buffer may be used for. */
const WORKING = USAGE.storage | USAGE.copyDst | USAGE.copySrc;

/** Which of its buffers each operand has: a buffer serves several, one after the other. */
export interface Layout {
  /** Bytes of the buffers. */
  readonly sizes: readonly number[];
  readonly places: ReadonlyMap<Operand, number>;
}

export function layoutBytes({ sizes }: Layout): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** A free buffer larger than this many times what is needed is left to others. */
const SLACK = 1.5;

/**
 * Places for operands of programs that run one after the other.
 *
 * @param kept operands that hold what is given before the first program, or read after the last
 */
export function layOut(programs: readonly (readonly KernelStep[])[], kept: readonly Operand[]): Layout {
  const steps = programs.flat();
  const rootsOf = ({ uses }: KernelStep) => {
    const roots = uses.map(({ operand }) => rootOf(operand));
    return new Set(roots.filter(({ address }) => address === undefined));
  };
  const last = new Map<Operand, number>();
  for (const [i, step] of steps.entries()) for (const root of rootsOf(step)) last.set(root, i);
  const sizes: number[] = [];
  const places = new Map<Operand, number>();
  const sizeOf = ({ bytes }: Operand) => Math.ceil(bytes / 16) * 16;
  const add = (root: Operand) => {
    places.set(root, sizes.length);
    sizes.push(sizeOf(root));
  };
  for (const operand of kept) add(rootOf(operand));
  const lasting = new Set(places.keys());
  const free: number[] = [];
  for (const [i, step] of steps.entries()) {
    const roots = rootsOf(step);
    for (const root of roots) {
      if (places.has(root)) continue;
      const size = sizeOf(root);
      const fitting = free.filter((index) => sizes[index]! >= size && sizes[index]! <= SLACK * size);
      const best = fitting.sort((a, b) => sizes[a]! - sizes[b]!)[0];
      if (best === undefined) add(root);
      else {
        free.splice(free.indexOf(best), 1);
        places.set(root, best);
      }
    }
    for (const root of roots) {
      if (last.get(root) === i && !lasting.has(root)) free.push(places.get(root)!);
    }
  }
  return { sizes, places };
}

export interface Plan {
  /** Of each program. */
  readonly dispatches: readonly (readonly Dispatch[])[];
  bufferOf(operand: Operand): GPUBuffer;
  destroy(): void;
}

/** Allocates a layout; undefined, with nothing left behind, if the device has not the memory. */
export async function allocate(device: GPUDevice, { sizes }: Layout): Promise<GPUBuffer[] | undefined> {
  device.pushErrorScope('out-of-memory');
  const buffers = sizes.map((size) => device.createBuffer({ size, usage: WORKING }));
  const error = await device.popErrorScope();
  if (!error) return buffers;
  for (const buffer of buffers) buffer.destroy();
  return undefined;
}

/** Numbers of uniforms, each at a multiple of the alignment; equal ones lie together. */
function writeUniforms(device: GPUDevice, steps: readonly KernelStep[]) {
  const offsets = new Map<string, number>();
  const words: number[] = [];
  const offsetOf = ({ words: given }: KernelStep) => {
    const key = given.join();
    let offset = offsets.get(key);
    if (offset === undefined) {
      offset = words.length * 4;
      offsets.set(key, offset);
      words.push(
        ...given,
        ...new Array<number>((ALIGNMENT / 4 - (given.length % (ALIGNMENT / 4))) % (ALIGNMENT / 4)).fill(0),
      );
    }
    return offset;
  };
  const places = steps.map((step) => (step.words.length === 0 ? undefined : offsetOf(step)));
  const size = Math.max(words.length * 4, ALIGNMENT);
  const buffer = device.createBuffer({ size, usage: USAGE.uniform | USAGE.copyDst });
  device.queue.writeBuffer(buffer, 0, Uint32Array.from(words));
  return { buffer, places };
}

/**
 * @param buffers of the layout; they become the plan's
 * @param weights the buffers of weights and what goes with each
 */
export function makePlan(
  device: GPUDevice,
  programs: readonly (readonly KernelStep[])[],
  { places }: Layout,
  buffers: readonly GPUBuffer[],
  weights: Readonly<Partial<Record<BufferName, GPUBuffer>>>,
  pipelines: Pipelines,
): Plan {
  const uniforms = writeUniforms(device, programs.flat());
  const bufferOf = (operand: Operand) => buffers[places.get(rootOf(operand))!]!;
  const bound = ({ operand }: Use): GPUBufferBinding => {
    if (operand.address === undefined) return { buffer: bufferOf(operand) };
    const { buffer: name, offset } = placeOf(operand.address)!;
    const buffer = weights[name]!;
    const start = Math.floor(offset / ALIGNMENT) * ALIGNMENT;
    const size = Math.ceil((offset - start + operand.bytes) / 16) * 16;
    return { buffer, offset: start, size: Math.min(size, buffer.size - start) };
  };
  let at = 0;
  const dispatches = programs.map((steps) =>
    steps.map((step): Dispatch => {
      const resources = step.uses.map(bound);
      const offset = uniforms.places[at++];
      if (offset !== undefined) {
        resources.push({ buffer: uniforms.buffer, offset, size: step.words.byteLength });
      }
      return dispatchOf(device, pipelines.get(step.code), resources, step.grid);
    }),
  );
  return {
    dispatches,
    bufferOf,
    destroy() {
      for (const buffer of [...buffers, uniforms.buffer]) buffer.destroy();
    },
  };
}
