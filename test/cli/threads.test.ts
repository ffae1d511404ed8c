import * as os from 'node:os';
import { beforeEach, expect, jest, test } from '@jest/globals';

let free = 1e12;
let cores = 4;
jest.unstable_mockModule('node:os', () => ({
  ...os,
  freemem: () => free,
  availableParallelism: () => cores,
}));
const { defaultWorkers, scoreThreads } = await import('../../src/cli/threads.js');
const { VIT_DEFAULTS } = await import('../../src/families/vit/config.js');
const { countParameters } = await import('../../src/families/vit/flops.js');

/** What a thread takes: 300 MB, and its weights twice in float32. */
const EACH = 300e6 + 8 * countParameters(VIT_DEFAULTS);

beforeEach(() => {
  free = 1e12;
});

test('a thread a worker where memory is plenty', () => {
  expect(scoreThreads(VIT_DEFAULTS, 'wasm', 5)).toBe(5);
});

test('as many threads as half of the free memory holds', () => {
  free = 2 * 3 * EACH + 1;
  expect(scoreThreads(VIT_DEFAULTS, 'wasm', 8)).toBe(3);
  free = 2 * 3 * EACH - 2;
  expect(scoreThreads(VIT_DEFAULTS, 'wasm', 8)).toBe(2);
  free = EACH;
  expect(scoreThreads(VIT_DEFAULTS, 'wasm', 8)).toBe(0);
});

test('larger models get fewer threads', () => {
  const base = { ...VIT_DEFAULTS, embedDim: 768, numHeads: 12 };
  free = 2 * 4 * EACH;
  expect(scoreThreads(base, 'wasm', 8)).toBe(Math.floor((4 * EACH) / (300e6 + 8 * countParameters(base))));
  expect(scoreThreads(base, 'wasm', 8)).toBeLessThan(4);
});

test('none beside a backend that has threads of its own', () => {
  expect(scoreThreads(VIT_DEFAULTS, 'tensorflow', 8)).toBe(0);
});

test('by default a worker a core, at most 16', () => {
  cores = 6;
  expect(defaultWorkers()).toBe(6);
  cores = 64;
  expect(defaultWorkers()).toBe(16);
});
