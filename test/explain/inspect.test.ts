import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import {
  attentionMap,
  attentionStack,
  type HeadFusion,
  type Inspection,
  inspect,
  patchColors,
  patchSimilarity,
  relevance,
  rollout,
} from '../../src/explain/index.js';
import { principalScores } from '../../src/explain/patchFeatures.js';
import { createModel } from '../../src/models/create.js';
import { load } from '../../src/models/load.js';
import type { VisionTransformer } from '../../src/models/visionTransformer.js';

/** Made by test/fixtures/make_attention.py. */
interface Reference {
  imgSize: [number, number];
  attention: number[];
  vitExplain: Record<HeadFusion, Record<string, number[]>>;
  relevance: Record<string, number[][]>;
  logits: number[];
  heads: number[][];
  similarity: number[];
  components: number[][];
}

const reference: Record<string, Reference> = JSON.parse(readFileSync('test/fixtures/attention.json', 'utf8'));

function expectClose(found: ArrayLike<number>, expected: readonly number[], within = 5e-6): void {
  expect(found.length).toBe(expected.length);
  const most = Math.max(...expected.map(Math.abs), 1e-3);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(found[i]! - value) / most).toBeLessThan(within);
  }
}

function inputOf([height, width]: readonly [number, number]): tf.Tensor4D {
  const values = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * 0.37));
  return tf.tensor4d(values, [1, height, width, 3]);
}

describe.each(Object.keys(reference))('%s, as PyTorch computes it', (file) => {
  const expected = reference[file]!;
  let model: VisionTransformer;
  let x: tf.Tensor4D;
  let seen: Inspection;
  beforeAll(async () => {
    const convert = { numHeads: 2, imgSize: expected.imgSize };
    model = await load(readFileSync(`test/fixtures/models/${file}`), { backend: 'wasm', convert });
    x = inputOf(expected.imgSize);
    seen = await inspect(model, x);
  });
  afterAll(() => {
    x.dispose();
    model.dispose();
  });

  test('one pass gives logits, heads and attention', async () => {
    expectClose(seen.logits, expected.logits);
    expect(seen.heads.length).toBe(expected.heads.length);
    for (const [i, head] of seen.heads.entries()) expectClose(head, expected.heads[i]!);
    expectClose(seen.attention.layers.at(-1)!, expected.attention);
    const { layers, ...rest } = await attentionStack(model, x);
    expect(seen.attention).toMatchObject(rest);
    expect(layers.length).toBe(seen.attention.layers.length);
  });

  test.each(['mean', 'max', 'min'] as const)('the rollout of vit-explain, heads fused by %s', (fusion) => {
    for (const [ratio, row] of Object.entries(expected.vitExplain[fusion])) {
      expectClose(rollout(seen.attention, { fusion, discardRatio: Number(ratio) }).data, row);
    }
  });

  test('the relevance of Chefer et al. for a class', async () => {
    for (const [index, rows] of Object.entries(expected.relevance)) {
      const classIndex = Number(index);
      expectClose((await relevance(model, x, { classIndex })).data, rows[0]!, 2e-5);
      if (rows.length < 2) continue;
      expectClose((await relevance(model, x, { classIndex, token: 'dist' })).data, rows[1]!, 2e-5);
    }
    const best = expected.logits.indexOf(Math.max(...expected.logits));
    expect((await relevance(model, x)).data).toEqual((await relevance(model, x, { classIndex: best })).data);
  });

  test('similarity of the patches, and their principal components', () => {
    const { grid } = seen.attention;
    expectClose(patchSimilarity(seen.patches, grid, 1).data, expected.similarity);
    const count = grid[0] * grid[1];
    const scores = principalScores(seen.patches, count, 3);
    for (const [c, score] of scores.entries()) expectClose(score, expected.components[c]!, 1e-4);
    const colors = patchColors(seen.patches, grid);
    expect([colors.width, colors.height]).toEqual([grid[1], grid[0]]);
    const red = expected.components[0]!;
    const [low, high] = [Math.min(...red), Math.max(...red)];
    for (const [i, value] of red.entries()) {
      expect(Math.abs(colors.data[3 * i]! - (255 * (value - low)) / (high - low))).toBeLessThan(1);
    }
  });

  test('a patch as the query, and the mean of all patches', () => {
    const { tokens, prefixTokens: prefix, heads } = seen.attention;
    const cell = (head: number, from: number, to: number) =>
      expected.attention[(head * tokens + from) * tokens + to]!;
    const row = Array.from({ length: tokens - prefix }, (_, i) => cell(1, prefix + 2, prefix + i));
    expectClose(attentionMap(seen.attention, { head: 1, token: 2 }).data, row);
    const patches = Array.from({ length: tokens - prefix }, (_, i) => i);
    const mean = patches.map((to) => {
      let sum = 0;
      for (let h = 0; h < heads; h++) for (const from of patches) sum += cell(h, prefix + from, prefix + to);
      return sum / heads / patches.length;
    });
    expectClose(attentionMap(seen.attention, { token: 'mean' }).data, mean);
  });

  test('nothing is left behind', async () => {
    const before = tf.memory().numTensors;
    await inspect(model, x);
    await relevance(model, x, { classIndex: 3 });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('what is not there is said', async () => {
    await expect(relevance(model, x, { classIndex: 7 })).rejects.toThrow('there is no class 7');
    expect(() => attentionMap(seen.attention, { token: 99 })).toThrow(/there is no patch 99/);
    expect(() => rollout(seen.attention, { discardRatio: 1 })).toThrow('discardRatio is from 0 to below 1');
    expect(() => rollout(seen.attention, { fusion: 'sum' as HeadFusion })).toThrow(
      'fusion is mean, max or min, got sum',
    );
    const two = tf.concat([x, x]) as tf.Tensor4D;
    await expect(inspect(model, two)).rejects.toThrow('one image at a time, got 2');
    two.dispose();
  });
});

describe('models of other shapes', () => {
  const small = {
    imgSize: [16, 16] as const,
    patchSize: 8,
    embedDim: 16,
    depth: 1,
    numHeads: 2,
    numClasses: 3,
  };
  const built = async (more: object) => {
    await useBackend('wasm');
    return createModel('deit_tiny_patch16_224', { ...small, ...more });
  };

  test('a register is no distillation token, and a model may have no class token', async () => {
    const x = inputOf([16, 16]);
    const model = await built({ registers: 1 });
    const stack = await attentionStack(model, x);
    expect(stack.prefixTokens).toBe(2);
    expect(() => attentionMap(stack, { token: 'dist' })).toThrow('has no distillation token');
    const bare = await built({ classToken: false, pool: 'mean' });
    const bareStack = await attentionStack(bare, x);
    expect(() => attentionMap(bareStack)).toThrow('the model has no class token; ask for the token mean');
    expect(attentionMap(bareStack, { token: 'mean' }).data.length).toBe(4);
    await expect(relevance(bare, x)).rejects.toThrow('has no class token');
    const seen = await inspect(bare, x);
    const predicted = bare.predict(x);
    expectClose(seen.logits, [...predicted.dataSync()]);
    tf.dispose([x, predicted]);
    model.dispose();
    bare.dispose();
  });

  test('without a head the logits are its features, and no class is relevant', async () => {
    const x = inputOf([16, 16]);
    const model = await built({ numClasses: 0 });
    expect((await inspect(model, x)).logits.length).toBe(16);
    await expect(relevance(model, x)).rejects.toThrow('has no head');
    x.dispose();
    model.dispose();
  });
});

test('of an 8-bit model the logits are those that it predicts, and no gradient is claimed', async () => {
  const bytes = readFileSync('examples/digits/deit_digits_distilled.pth');
  const model = await load(bytes, { backend: 'wasm', quantize: 'int8' });
  const x = inputOf([28, 28]);
  const seen = await inspect(model, x);
  const predicted = model.predict(x);
  expectClose(seen.logits, [...predicted.dataSync()], 1e-4);
  const { layers } = await attentionStack(model, x);
  expect(seen.attention.layers.length).toBe(layers.length);
  for (const [i, layer] of layers.entries()) expectClose(seen.attention.layers[i]!, [...layer], 1e-4);
  await expect(relevance(model, x)).rejects.toThrow('has 8-bit weights, through which no gradient goes');
  tf.dispose([x, predicted]);
  model.dispose();
});
