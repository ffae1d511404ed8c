/** The optimiser's dispatches over the buffers of weights, gradients and means. */
import type { AdamWNumbers } from '../../wasm/training/space.js';
import type { BufferName, Chunk } from '../../wasm/training/weightSpace.js';
import type { Pipelines } from '../pipelines.js';
import { dispatchOf, encode, USAGE } from '../plan.js';
import { adamWCode, CHUNK_WORDS, SQUARES, UPDATE_NUMBERS } from './optimizerKernels.js';

/** Chunks that lie within what the device binds at once. */
interface Window {
  readonly chunks: readonly Chunk[];
  /** Bytes of the buffers. */
  readonly start: number;
  readonly size: number;
}

function windowsOf(chunks: readonly Chunk[], most: number): Window[] {
  const windows: { chunks: Chunk[]; start: number; size: number }[] = [];
  for (const chunk of chunks) {
    const end = chunk.offset + chunk.count * 4;
    const last = windows.at(-1);
    if (last && end - last.start <= most) {
      last.chunks.push(chunk);
      last.size = end - last.start;
    } else windows.push({ chunks: [chunk], start: chunk.offset, size: end - chunk.offset });
  }
  return windows;
}

export interface Optimizer {
  /** Sums the gradients' squares, and copies the sums, a number a chunk, to `reader`. */
  encodeSquares(encoder: GPUCommandEncoder, reader: GPUBuffer): void;
  /** Bytes of those sums. */
  readonly sumBytes: number;
  /** An update with these numbers. */
  encodeUpdate(encoder: GPUCommandEncoder, numbers: AdamWNumbers): void;
  destroy(): void;
}

const STORAGE = USAGE.storage | USAGE.copyDst | USAGE.copySrc;

function makeBuffer(device: GPUDevice, bytes: number, usage: number): GPUBuffer {
  return device.createBuffer({ size: Math.max(Math.ceil(bytes / 16) * 16, 16), usage });
}

export async function makeOptimizer(
  device: GPUDevice,
  chunks: readonly Chunk[],
  buffers: Readonly<Partial<Record<BufferName, GPUBuffer>>>,
  pipelines: Pipelines,
): Promise<Optimizer> {
  const windows = windowsOf(chunks, device.limits.maxStorageBufferBindingSize);
  const updateCode = adamWCode(buffers.ema !== undefined);
  await pipelines.compile([SQUARES, updateCode]);
  const numbersBuffer = makeBuffer(device, UPDATE_NUMBERS.length * 4, USAGE.uniform | USAGE.copyDst);
  const written = (['weights', 'mean', 'square', 'ema'] as const).flatMap((name) => buffers[name] ?? []);
  const parts = windows.map((window) => {
    const table = makeBuffer(device, window.chunks.length * CHUNK_WORDS * 4, STORAGE);
    const sums = makeBuffer(device, window.chunks.length * 4, STORAGE);
    const part = (buffer: GPUBuffer) => ({ buffer, offset: window.start, size: window.size });
    const read = [part(buffers.gradients!), { buffer: table }];
    const grid = [window.chunks.length, 1, 1] as const;
    return {
      window,
      table,
      sums,
      squares: dispatchOf(device, pipelines.get(SQUARES), [...read, { buffer: sums }], grid),
      update: dispatchOf(
        device,
        pipelines.get(updateCode),
        [...read, ...written.map(part), { buffer: numbersBuffer }],
        grid,
      ),
    };
  });
  let decay: number | undefined;
  const writeTables = (weightDecay: number) => {
    if (decay === weightDecay) return;
    decay = weightDecay;
    for (const { table, window } of parts) device.queue.writeBuffer(table, 0, tableOf(window, weightDecay));
  };
  writeTables(0);
  return {
    sumBytes: chunks.length * 4,
    encodeSquares(encoder, reader) {
      encode(
        encoder,
        parts.map(({ squares }) => squares),
      );
      let at = 0;
      for (const { sums, window } of parts) {
        const bytes = window.chunks.length * 4;
        encoder.copyBufferToBuffer(sums, 0, reader, at, bytes);
        at += bytes;
      }
    },
    encodeUpdate(encoder, numbers) {
      writeTables(numbers.weightDecay);
      device.queue.writeBuffer(numbersBuffer, 0, updateNumbers(numbers));
      encode(
        encoder,
        parts.map(({ update }) => update),
      );
    },
    destroy() {
      for (const { table, sums } of parts) for (const buffer of [table, sums]) buffer.destroy();
      numbersBuffer.destroy();
    },
  };
}

/** Places are in fours of numbers, from the window's first. */
function tableOf({ chunks, start }: Window, weightDecay: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(chunks.length * CHUNK_WORDS);
  const floats = new Float32Array(words.buffer);
  for (const [i, { offset, count, decays }] of chunks.entries()) {
    words.set([(offset - start) / 16, count / 4], i * CHUNK_WORDS);
    floats[i * CHUNK_WORDS + 2] = decays ? weightDecay : 0;
  }
  return words;
}

function updateNumbers(given: AdamWNumbers): Float32Array<ArrayBuffer> {
  const numbers = {
    ...given,
    oneMinusBeta1: 1 - given.beta1,
    oneMinusBeta2: 1 - given.beta2,
    oneMinusEmaDecay: 1 - given.emaDecay,
  };
  return Float32Array.from(UPDATE_NUMBERS, (name) => numbers[name]);
}
