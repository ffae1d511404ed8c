/** Kernels run by several threads on shared memory, against the same kernels run by one thread on memory of its own. */
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from '@jest/globals';
import { probeSimd } from '../../../src/kernels/wasm/index.js';
import {
  compileKernels,
  instantiateKernels,
  type KernelExports,
} from '../../../src/kernels/wasm/kernelModule.js';
import {
  CONTROL_BYTES,
  defaultThreads,
  type KernelWorker,
  startTeam,
  type Team,
} from '../../../src/kernels/wasm/threads.js';

const PAGES = 200;
const simd = probeSimd() as 'simd' | 'relaxed';

/** Numbers in [-1, 1) from a linear congruential generator: quick, and different enough for what is compared. */
function noise(size: number, seed: number): Float32Array {
  const values = new Float32Array(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31;
  }
  return values;
}

/** A page's worker on Node's threads: they lack the global `onmessage` and `postMessage`. */
function spawnThread(source: string): KernelWorker {
  const prelude = `
    const { parentPort } = require('node:worker_threads');
    globalThis.postMessage = (message) => parentPort.postMessage(message);
    parentPort.once('message', (data) => globalThis.onmessage({ data }));`;
  const thread = new Worker(prelude + source, { eval: true });
  const worker: KernelWorker = {
    onmessage: null,
    onerror: null,
    postMessage: (message) => thread.postMessage(message),
    terminate: () => void thread.terminate(),
  };
  thread.on('message', (data) => worker.onmessage?.({ data }));
  thread.on('error', (error) => worker.onerror?.(error));
  return worker;
}

/** Kernels on memory that holds `inputs` and gives out addresses. */
interface Machine {
  kernels: KernelExports;
  put(values: Float32Array): number;
  room(floats: number): number;
  read(address: number, floats: number): Float32Array;
  /** Gives back all memory. */
  clear(): void;
}

function machineOn(memory: WebAssembly.Memory, kernels: KernelExports): Machine {
  let next = 65536;
  const room = (floats: number) => {
    const address = next;
    next += Math.ceil(floats / 16) * 64;
    return address;
  };
  return {
    kernels,
    room,
    put(values) {
      const address = room(values.length);
      new Float32Array(memory.buffer, address, values.length).set(values);
      return address;
    },
    read: (address, floats) => Float32Array.from(new Float32Array(memory.buffer, address, floats)),
    clear() {
      new Float32Array(memory.buffer, 65536, (next - 65536) / 4).fill(Number.NaN);
      next = 65536;
    },
  };
}

async function single(): Promise<Machine> {
  const memory = new WebAssembly.Memory({ initial: PAGES });
  return machineOn(memory, instantiateKernels(await compileKernels(simd, false), memory));
}

const teams: Team[] = [];

async function several(threads: number, spawn = spawnThread): Promise<Machine & { team: Team }> {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536, shared: true });
  const module = await compileKernels(simd, true);
  const team = startTeam(instantiateKernels(module, memory), module, memory, 4096, threads, spawn);
  expect(CONTROL_BYTES).toBeLessThan(65536 - 4096);
  teams.push(team);
  return { ...machineOn(memory, team.kernels), team };
}

afterEach(() => {
  for (const team of teams.splice(0)) team.close();
});

function linear(machine: Machine, m: number, k: number, n: number, packed: boolean): Float32Array {
  const { kernels, put, room, read } = machine;
  const [x, w, bias, residual] = [m * k, k * n, n, m * n].map((size, i) => put(noise(size, i)));
  let weights = w!;
  if (packed) {
    weights = room(kernels.packedBytes(k, n) / 4);
    kernels.packWeights(w!, k, n, weights);
  }
  const y = room(m * n);
  const scratch = room(kernels.linearScratchBytes(m, k, 1) / 4);
  kernels.linear(x!, m, k, n, weights, packed, bias!, 0, residual!, m, true, y, scratch);
  return read(y, m * n);
}

function patchEmbed(machine: Machine): Float32Array {
  const { kernels, put, room, read } = machine;
  const [size, patch, channels, n] = [80, 16, 3, 20];
  const k = patch * patch * channels;
  const [x, w, bias] = [2 * size * size * channels, k * n, n].map((size, i) => put(noise(size, i)));
  const y = room(2 * 25 * n);
  const scratch = room(kernels.linearScratchBytes(50, k, patch * channels) / 4);
  kernels.patchEmbed(x!, 2, size, size, channels, patch, n, w!, false, bias!, y, scratch);
  return read(y, 2 * 25 * n);
}

function attention(machine: Machine, batch: number, tokens: number, heads: number): Float32Array {
  const { kernels, put, room, read } = machine;
  const size = batch * tokens * heads * 16;
  const qkv = put(noise(3 * size, 1));
  const y = room(size);
  const scratch = room(kernels.attentionScratchBytes(tokens, 16) / 4);
  kernels.attention(qkv, batch, tokens, heads, 16, y, scratch);
  return read(y, size);
}

function layerNorm(machine: Machine): Float32Array {
  const { kernels, put, room, read } = machine;
  const [x, gamma, beta] = [150 * 33, 33, 33].map((size, i) => put(noise(size, i)));
  const y = room(150 * 33);
  kernels.layerNorm(x!, 150, 33, gamma!, beta!, 1e-6, y);
  return read(y, 150 * 33);
}

/** Codes from -127 to 127 as floats, packed, with a scale that keeps sums of k products near 1. */
function quantizedMatrix({ kernels, put, room }: Machine, k: number, n: number, seed: number): number {
  const codes = put(noise(k * n, seed).map((value) => Math.round(60 * value) + 0));
  const scale = put(new Float32Array(n).fill(1 / (60 * Math.sqrt(k))));
  const packed = room(kernels.quantizedPackedBytes(k, n) / 4);
  kernels.packQuantized(codes, scale, k, n, packed);
  return packed;
}

function quantizedSums(machine: Machine, m: number, k: number, n: number, precise: number): Float32Array {
  const { kernels, put, room, read } = machine;
  const x = put(noise(m * k, 1));
  const packed = quantizedMatrix(machine, k, n, 2);
  const size = Math.ceil(n / 8) * m * 8;
  const [sums, parameters] = [room(size), room(2 * m)];
  const scratch = room(kernels.quantizedSumsScratchBytes(m, k, precise) / 4);
  kernels.quantizedSums(x, m, k, n, precise, packed, sums, parameters, scratch);
  return Float32Array.from([...new Int32Array(read(sums, size).buffer), ...read(parameters, 2 * m)]);
}

function quantizedBlock(
  machine: Machine,
  batch: number,
  tokens: number,
  heads: number,
  width: number,
  hidden: number,
) {
  const { kernels, put, room, read } = machine;
  const size = batch * tokens * width;
  const x = put(noise(size, 1));
  const vector = (n: number, seed: number) => put(noise(n, seed));
  const weights = put(
    new Float32Array(
      new Uint32Array([
        vector(width, 2),
        vector(width, 3),
        quantizedMatrix(machine, width, 3 * width, 4),
        vector(3 * width, 5),
        quantizedMatrix(machine, width, width, 6),
        vector(width, 7),
        0,
        vector(width, 8),
        vector(width, 9),
        quantizedMatrix(machine, width, hidden, 10),
        vector(hidden, 11),
        quantizedMatrix(machine, hidden, width, 12),
        vector(width, 13),
        vector(width, 14),
      ]).buffer,
    ),
  );
  const y = room(size);
  const scratch = room(kernels.quantizedBlockScratchBytes(tokens, width, heads, hidden, 1) / 4);
  kernels.quantizedBlock(x, batch, tokens, width, heads, hidden, 1, 1e-6, weights, y, scratch);
  return read(y, size);
}

const cases: [string, (machine: Machine) => Float32Array][] = [
  ['linear, several blocks of rows and of depth, an edge', (machine) => linear(machine, 250, 800, 37, true)],
  ['linear, weights not packed', (machine) => linear(machine, 50, 800, 37, false)],
  ['linear, one row', (machine) => linear(machine, 1, 192, 1000, true)],
  ['patch embedding', patchEmbed],
  ['attention, fewer heads than threads', (machine) => attention(machine, 1, 197, 1)],
  ['attention, a batch', (machine) => attention(machine, 2, 50, 3)],
  ['layer norm', layerNorm],
  ['8-bit product, halves', (machine) => quantizedSums(machine, 41, 192, 48, 1)],
  ['8-bit product, an edge', (machine) => quantizedSums(machine, 50, 100, 37, 2)],
  ['8-bit block', (machine) => quantizedBlock(machine, 2, 50, 3, 96, 192)],
  ['8-bit block, several blocks of rows', (machine) => quantizedBlock(machine, 1, 197, 2, 32, 3072)],
  ['8-bit block, attention in float32', (machine) => quantizedBlock(machine, 1, 50, 3, 36, 90)],
];

test.each([1, 3])('%i threads give to the bit what one thread gives', async (threads) => {
  const many = await several(threads);
  expect(await many.team.ready).toBe(threads);
  const one = await single();
  for (const [name, run] of cases) {
    one.clear();
    const expected = run(one);
    // Many times, as threads that meet in another order each time may not change the result.
    for (let i = 0; i < 5; i++) {
      many.clear();
      const actual = run(many);
      expect([name, firstDifference(actual, expected)]).toEqual([name, -1]);
    }
  }
});

test('a team whose workers never come does all the work on the calling thread', async () => {
  const silent = (): KernelWorker => ({
    onmessage: null,
    onerror: null,
    postMessage: () => {},
    terminate: () => {},
  });
  const alone = await several(4, silent);
  const one = await single();
  for (const [name, run] of cases) {
    one.clear();
    alone.clear();
    expect([name, firstDifference(run(alone), run(one))]).toEqual([name, -1]);
  }
});

test('a worker that fails to start is not counted', async () => {
  const { team } = await several(3, () => spawnThread('throw new Error("no");'));
  expect(await team.ready).toBe(1);
});

test('a call that fails on any thread throws, and the next one works', async () => {
  const many = await several(3);
  await many.team.ready;
  const one = await single();
  const expected = attention(one, 2, 50, 3);
  const outside = PAGES * 65536;
  for (let i = 0; i < 3; i++) {
    expect(() => many.kernels.layerNorm(outside, 500, 64, 65536, 65536, 1e-6, 65536)).toThrow();
    expect(() =>
      many.kernels.linear(outside, 50, 64, 64, 65536, true, 0, 0, 0, 1, false, 131072, 1048576),
    ).toThrow();
    many.clear();
    expect(firstDifference(attention(many, 2, 50, 3), expected)).toBe(-1);
  }
});

test('threads by number of cores', () => {
  expect([1, 2, 3, 4, 6, 8, 16, 64].map(defaultThreads)).toEqual([1, 2, 2, 2, 3, 4, 8, 8]);
});

function firstDifference(actual: Float32Array, expected: Float32Array): number {
  return expected.findIndex((value, i) => !Object.is(actual[i], value));
}
