/** The engine on memory that is not shared, as in pages that are not cross-origin isolated, and with workers that do not start. */

import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { EngineWorker, WasmEngine } from '../../../src/engines/wasm/index.js';
import { probeSimd } from '../../../src/kernels/wasm/featureProbe.js';
import { startNodeWorker } from '../../../src/node/wasmEngine.js';
import { CONFIGS, configOf, openEngine, randomImages, randomWeights } from './models.js';

const opened: WasmEngine[] = [];
const open: typeof openEngine = async (...args) => {
  const engine = await openEngine(...args);
  opened.push(engine);
  return engine;
};
afterEach(() => {
  for (const engine of opened.splice(0)) engine.dispose();
});

test.each(Object.entries(CONFIGS))('%s: the bits are those of shared memory', async (_, overrides) => {
  const config = configOf(overrides);
  const weights = randomWeights(config);
  const images = randomImages(config, 3);
  const [shared, alone] = [await open(config, weights), await open(config, weights, { shared: false })];
  const wanted = shared.predict(images, 3);
  expect(await alone.run(images, 3)).toEqual(wanted);
  expect(alone.predict(images, 3)).toEqual(wanted);
});

const BUILDS = probeSimd() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);

test.each(BUILDS)('%s: the same, with what both instruction sets have', async (simd) => {
  const config = configOf({ distilled: true });
  const weights = randomWeights(config);
  const images = randomImages(config, 2);
  const engine = await open(config, weights, { simd, shared: false });
  expect(await engine.run(images, 2)).toEqual((await open(config, weights, { simd })).predict(images, 2));
});

test('memory that is not shared grows between calls', async () => {
  const config = configOf({ imgSize: [80, 80], depth: 1 });
  const weights = randomWeights(config);
  const engine = await open(config, weights, { shared: false });
  const images = randomImages(config, 64);
  const first = await engine.run(images.subarray(0, 80 * 80 * 3), 1);
  const before = engine.memoryBytes;
  const all = await engine.run(images, 64);
  expect(engine.memoryBytes).toBeGreaterThan(before);
  expect(all.slice(0, first.length)).toEqual(first);
  expect(await engine.run(images.subarray(0, 80 * 80 * 3), 1)).toEqual(first);
  expect(engine.weight('norm.gamma')).toEqual(weights.get('norm.gamma'));
});

test('builds for memory that is not shared have no atomic operations, which some browsers refuse', () => {
  const folder = 'dist/src/engines/wasm/generated/';
  const relaxed = probeSimd() === 'relaxed' ? ['relaxedSimdAlone', 'wideSimdAlone'] : [];
  const names = ['simdAlone', ...relaxed];
  for (const name of names) {
    const text = /'([A-Za-z0-9+/=]+)'/.exec(readFileSync(`${folder}${name}.js`, 'utf8'))![1]!;
    const module = new WebAssembly.Module(Buffer.from(text, 'base64'));
    const unshared = new WebAssembly.Memory({ initial: 2, maximum: 65536 });
    expect(() => new WebAssembly.Instance(module, { env: { memory: unshared } })).not.toThrow();
  }
  const atomics = (name: string) =>
    readFileSync(`src/engines/wasm/assembly/${name}.ts`, 'utf8').includes('atomic.');
  expect(atomics('control')).toBe(true);
  expect(
    ['program', 'linear', 'quantized', 'attention', 'rows', 'pack', 'controlAlone'].filter(atomics),
  ).toEqual([]);
});

describe('workers that are given a time to start', () => {
  const config = configOf({ depth: 3 });
  const weights = randomWeights(config);
  const images = randomImages(config, 4);
  const silent = (): EngineWorker => ({
    onmessage: null,
    onerror: null,
    postMessage() {},
    terminate() {},
  });

  test('are done without where they never answer', async () => {
    const wanted = (await open(config, weights)).predict(images, 4);
    const engine = await open(config, weights, { threads: 3, startWorker: silent, startLimit: 50 });
    expect(engine).toMatchObject({ hasWorkers: false, description: expect.stringMatching(/, 1 thread$/) });
    expect(await engine.run(images, 4)).toEqual(wanted);
  });

  test('compute where they answer, those that do', async () => {
    const wanted = (await open(config, weights)).predict(images, 4);
    let started = 0;
    const startWorker = (source: string) => (started++ === 0 ? silent() : startNodeWorker(source));
    const engine = await open(config, weights, { threads: 3, startWorker, startLimit: 3000 });
    expect(engine).toMatchObject({ hasWorkers: true, description: expect.stringMatching(/, 2 threads$/) });
    expect(await engine.run(images, 4)).toEqual(wanted);
  });

  test('that cannot be started at all leave the work to the calling thread', async () => {
    const startWorker = () => {
      throw new Error('no workers here');
    };
    const engine = await open(config, weights, { threads: 2, startWorker, startLimit: 50 });
    expect(engine.hasWorkers).toBe(false);
    expect(await engine.run(images, 4)).toEqual(engine.predict(images, 4));
  });
});
