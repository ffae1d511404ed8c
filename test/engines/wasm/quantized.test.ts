/** Products of 8-bit weights. */
import { describe, expect, test } from '@jest/globals';
import { createWasmEngine } from '../../../src/engines/wasm/index.js';
import { quantize } from '../../../src/families/vit/quantize.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { compileOptimized, startNodeWorker } from '../../../src/node/wasmEngine.js';
import { Random } from '../../../src/random.js';
import {
  configOf,
  difference,
  expected,
  openEngine,
  randomImages,
  randomWeights,
  type Weights,
} from './models.js';

/** x H, of as many points as x has values. */
function hadamard(x: readonly number[]): number[] {
  const sums = [...x];
  for (let half = 1; half < sums.length; half *= 2) {
    for (let start = 0; start < sums.length; start += 2 * half) {
      for (let i = start; i < start + half; i++) {
        const [a, b] = [sums[i]!, sums[i + half]!];
        sums[i] = a + b;
        sums[i + half] = a - b;
      }
    }
  }
  return sums;
}

/**
 * Rows whose rotation has whole numbers that codes hold exactly: 11 bits in the first tile of rows, which has a prefix
 * token, 7 bits after it.
 */
describe.each([16, 64])('%d values a row', (k) => {
  const random = Random.fromSeed(k);
  const whole = (least: number, most: number) => Math.round(least + random.uniform() * (most - least));
  const rows = Array.from({ length: 14 }, (_, row) => {
    // Tiles have five rows or six: the sixth is nothing.
    if (row === 5) return new Array<number>(k).fill(0);
    const [least, most] = row < 5 ? [-1000, 1047] : [-63, 64];
    return Array.from({ length: k }, (_, i) => (i === 0 ? least : i === 1 ? most : whole(least, most)));
  });
  const n = 21;
  const codes = Float32Array.from({ length: k * n }, () => whole(-60, 60));
  const scale = Float32Array.from({ length: n }, (_, i) => 2 ** ((i % 5) - 4));
  const bias = Float32Array.from({ length: n }, (_, i) => i - 8);
  const unrotated = rows.map((row) => hadamard(row).map((value) => value / k));
  const identity = Float32Array.from({ length: k * k }, (_, i) => (i % (k + 1) === 0 ? 1 : 0));
  const values: Record<string, Float32Array> = {
    'patch.kernel': identity,
    cls: Float32Array.from(unrotated[0]!),
    'fc.kernel': codes,
    'fc.scale': scale,
    'fc.bias': bias,
  };
  const images = Float32Array.from(unrotated.slice(1).flat());

  test.each([1, 2])('every bit of the sums, with %d threads', async (threads) => {
    const engine = await createWasmEngine({
      forward(ops, x) {
        const prefix = [{ name: 'cls', position: null }];
        const tokens = ops.addTokens(ops.patchEmbed(x, 'patch'), { prefix, posEmbed: null, firstPatch: 0 });
        const y = ops.linear(tokens, 'fc');
        return ops.concat(rows.map((_, i) => ops.token(y, i)));
      },
      weights: [
        { name: 'patch.kernel', shape: [1, 1, k, k] },
        { name: 'cls', shape: [1, 1, k] },
        { name: 'fc.kernel', shape: [k, n] },
        { name: 'fc.scale', shape: [n] },
        { name: 'fc.bias', shape: [n] },
      ],
      readWeight: async (name) => values[name]!,
      inputShape: [13, 1, k],
      threads,
      startWorker: startNodeWorker,
      compile: compileOptimized,
    });
    const wanted = rows.flatMap((row) =>
      Array.from({ length: n }, (_, column) => {
        const sum = row.reduce((total, value, i) => total + value * codes[i * n + column]!, 0);
        return sum * scale[column]! + bias[column]!;
      }),
    );
    expect(Array.from(engine.predict(images, 1))).toEqual(wanted);
    expect(Array.from(await engine.run(images, 1))).toEqual(wanted);
    engine.dispose();
  });
});

/** Of nine rows. */
const rowOf = (values: Float32Array, i: number) =>
  values.subarray((i * values.length) / 9, ((i + 1) * values.length) / 9);

describe.each([
  { distilled: true, layerScale: 0.3 },
  { embedDim: 35, numHeads: 5, mlpRatio: 2.1 },
  { embedDim: 400, numHeads: 8, depth: 1 },
  { registers: 4, posEmbedPrefix: false, pool: 'mean' as const },
  // fc2 takes 1028 steps, in three pieces; an odd number of steps would not end where steps are taken in pairs.
  { embedDim: 16, numHeads: 4, mlpRatio: 257, depth: 1 },
])('%j', (overrides) => {
  test('as the codes of the weights give it in float32, but for the codes of the activations', async () => {
    const config = configOf(overrides);
    const weights = randomWeights(config);
    const source = quantize({ config, readWeight: async (name: string) => weights.get(name)!.slice() });
    const coded = new Map<string, Float32Array>();
    for (const { name } of weightSpecs(source.config)) coded.set(name, await source.readWeight(name));
    const images = randomImages(config, 9);
    const wanted = await expected(source.config, coded as Weights, images, 9);
    const engine = await openEngine(source.config, coded);
    const found = engine.predict(images, 9);
    // With weights this large a code may change which token attention looks at, in one image of many by chance.
    const differences = Array.from({ length: 9 }, (_, i) => difference(rowOf(found, i), rowOf(wanted, i)));
    expect(differences.sort((a, b) => a - b)[4]).toBeLessThan(0.08);
    expect(differences[0]).toBeGreaterThan(0);
    for (const [name, values] of coded) expect(engine.weight(name)).toEqual(values);
    const other = await openEngine(source.config, coded, { threads: 3 });
    expect(await other.run(images, 9)).toEqual(found);
    engine.dispose();
    other.dispose();
  });
});

test('codes whose products leave 16 bits are refused: they would give what the processor makes of it', async () => {
  const config = configOf({ quantization: 'int8' });
  const name = 'blocks.0.mlp.fc1.kernel';
  const at = (row: number) => row * 96 + 5;
  const coded = new Map(randomWeights(config));
  for (const { name, codes } of weightSpecs(config)) coded.get(name)!.fill(codes ? 64 : 1);
  // Rows 0, 1, 4 and 5 of eight are added up, to at most 258.
  for (const row of [8, 10, 11, 12]) coded.get(name)![at(row)] = 65;
  (await openEngine(config, coded)).dispose();
  coded.get(name)![at(13)] = 65;
  await expect(openEngine(config, coded)).rejects.toThrow(
    `${name}: not the codes of a quantization of ours: products of four leave 16 bits`,
  );
});
