/** What the engine computes: every operation, against plain tfjs on its cpu backend, in every build and division. */
import { describe, expect, test } from '@jest/globals';
import { probeSimd } from '../../../src/kernels/wasm/featureProbe.js';
import {
  CONFIGS,
  configOf,
  difference,
  expected,
  openEngine,
  randomImages,
  randomWeights,
} from './models.js';

const BATCH = 3;

describe.each(Object.entries(CONFIGS))('%s', (_, overrides) => {
  test('as tfjs computes it, with one thread and several, one image and many', async () => {
    const config = configOf(overrides);
    const weights = randomWeights(config);
    const images = randomImages(config, BATCH);
    const wanted = await expected(config, weights, images, BATCH);
    const engine = await openEngine(config, weights);
    const found = engine.predict(images, BATCH);
    expect(difference(found, wanted)).toBeLessThan(1e-5);
    for (const [name, values] of weights) expect(engine.weight(name)).toEqual(values);
    const size = images.length / BATCH;
    for (const threads of [2, 7]) {
      const other = await openEngine(config, weights, { threads });
      expect(other.predict(images, BATCH)).toEqual(found);
      expect(await other.run(images, BATCH)).toEqual(found);
      for (let i = 0; i < BATCH; i++) {
        const one = await other.run(images.subarray(i * size, (i + 1) * size), 1);
        expect(one).toEqual(found.subarray(i * engine.width, (i + 1) * engine.width));
      }
      other.dispose();
    }
    engine.dispose();
  });
});

test('all tokens of the last block give the same as those alone that the head reads', async () => {
  const config = configOf({ distilled: true });
  const weights = randomWeights(config);
  const images = randomImages(config, 2);
  const wanted = await expected(config, weights, images, 2);
  const engine = await openEngine(config, weights, { outputTokensOnly: false });
  expect(difference(engine.predict(images, 2), wanted)).toBeLessThan(1e-5);
  engine.dispose();
});

describe('builds', () => {
  const config = configOf({ distilled: true, embedDim: 36, swiglu: true, qkNorm: true, layerScale: 0.3 });
  const weights = randomWeights(config);
  const images = randomImages(config, 2);

  test('without fused multiply-add', async () => {
    const engine = await openEngine(config, weights, { simd: 'simd', threads: 2 });
    expect(difference(engine.predict(images, 2), await expected(config, weights, images, 2))).toBeLessThan(
      1e-5,
    );
    expect(engine.description).toBe('own engine, 128-bit SIMD, 2 threads');
    engine.dispose();
  });

  test('128 and 256 bits give the same bits', async () => {
    const engine = await openEngine(config, weights, {});
    const narrow = await openEngine(config, weights, { compile: undefined });
    expect(narrow.description).toMatch('128-bit');
    if (probeSimd() === 'relaxed') expect(engine.predict(images, 2)).toEqual(narrow.predict(images, 2));
    engine.dispose();
    narrow.dispose();
  });
});
