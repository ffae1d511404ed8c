import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { createModel } from '../../src/models/create.js';
import type { VisionTransformer } from '../../src/models/visionTransformer.js';
import { studentOf, studentOfLayersModel } from '../../src/train/student.js';
import { noSeed } from './engineRuns.js';

let model: VisionTransformer;
beforeAll(async () => {
  await tf.setBackend('cpu');
  model = createModel(
    { imgSize: [8, 8], patchSize: 4, embedDim: 8, depth: 3, numHeads: 2, numClasses: 3, distilled: true },
    { seed: 4 },
  );
});
afterAll(() => model.dispose());

const HEADS = ['head.kernel', 'head.bias', 'head_dist.kernel', 'head_dist.bias'];
describe('which weights learn', () => {
  const learning = (frozenBlocks: number, attentionOnly: boolean) =>
    studentOf(model, { frozenBlocks, attentionOnly }).trainable;

  test('all of them by default', () => {
    expect(learning(0, false)).toEqual([
      ...studentOf(model, { frozenBlocks: 0, attentionOnly: false }).weights.keys(),
    ]);
    expect(learning(0, false)).toEqual(
      expect.arrayContaining(['cls_token', 'patch_embed.kernel', 'norm.gamma', ...HEADS]),
    );
  });

  test('frozen blocks stay, and what is before them', () => {
    const names = learning(2, false);
    const outside = names.filter((name) => !name.startsWith('blocks.'));
    expect(outside).toEqual(['norm.gamma', 'norm.beta', ...HEADS]);
    const blocks = names.filter((name) => name.startsWith('blocks.'));
    expect(blocks).toHaveLength(12);
    expect(blocks.every((name) => name.startsWith('blocks.2.'))).toBe(true);
  });

  test.each([
    [{ pool: 'map', registers: 2 }, 'attn_pool', 13],
    [{ pool: 'mean', fcNorm: true, finalNorm: false, preLogits: 5 }, 'fc_norm|pre_logits', 4],
    [{ preNorm: true, distilled: true, registers: 1 }, 'norm|head_dist', 4],
  ] as const)('what stands behind frozen blocks learns: %j', (overrides, names, count) => {
    const shape = {
      imgSize: [8, 8],
      patchSize: 4,
      embedDim: 8,
      depth: 2,
      numHeads: 2,
      numClasses: 3,
    } as const;
    const other = createModel({ ...shape, classToken: !('pool' in overrides), ...overrides }, { seed: 4 });
    const { trainable } = studentOf(other, { frozenBlocks: 2, attentionOnly: false });
    const behind = new RegExp(`^(${names})\\.`);
    expect(trainable.filter((name) => behind.test(name))).toHaveLength(count);
    expect(trainable.filter((name) => !behind.test(name) && !/^(norm|head)\./.test(name))).toEqual([]);
    other.dispose();
  });

  test('attention alone, with the heads', () => {
    const names = learning(0, true);
    expect(names.filter((name) => !name.includes('.attn.'))).toEqual(HEADS);
    expect(names).toHaveLength(3 * 4 + 4);
    expect(learning(1, true)).toHaveLength(2 * 4 + 4);
  });

  test("weight decay acts by the model's table", () => {
    const { decays } = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
    expect(['head.kernel', 'blocks.0.attn.qkv.kernel', 'patch_embed.kernel'].every(decays)).toBe(true);
    expect(['head.bias', 'norm.gamma', 'cls_token', 'dist_token', 'pos_embed'].some(decays)).toBe(false);
  });
});

test('the heads of a distilled student answer one by one, or jointly by their mean', () => {
  const x = tf.randomNormal<tf.Rank.R4>([2, 8, 8, 3], 0, 1, 'float32', 3);
  const trainable = { frozenBlocks: 0, attentionOnly: false };
  const { head, dist } = studentOf(model, trainable).forward(x, noSeed);
  const joint = studentOf(model, trainable, true).forward(x, noSeed);
  expect(joint.dist).toBeUndefined();
  const [one, other, mean] = [head.dataSync(), dist!.dataSync(), joint.head.dataSync()];
  expect(one).not.toEqual(other);
  for (const [i, value] of mean.entries()) expect(value).toBeCloseTo((one[i]! + other[i]!) / 2, 6);
  const predicted = studentOf(model, trainable).predict(x).dataSync();
  for (const [i, value] of predicted.entries()) expect(value).toBeCloseTo(mean[i]!, 6);
});

test('of a LayersModel the vectors do not decay, and dropout acts in training alone', () => {
  const layers = [
    tfl.layers.flatten({ inputShape: [2, 2, 1] }),
    tfl.layers.dropout({ rate: 0.5, seed: 2 }),
    tfl.layers.dense({ units: 3, name: 'fc' }),
  ];
  const student = studentOfLayersModel(tfl.sequential({ layers }));
  const decaying = Object.fromEntries(student.trainable.map((name) => [name, student.decays(name)]));
  expect(decaying).toEqual({ 'fc/kernel': true, 'fc/bias': false });
  const x = tf.ones<tf.Rank.R4>([8, 2, 2, 1]);
  const rows = (logits: tf.Tensor2D) => new Set((logits.arraySync() as number[][]).map(String)).size;
  expect(rows(student.predict(x))).toBe(1);
  expect(rows(student.forward(x, noSeed).head)).toBeGreaterThan(1);
});

test('a misspelt field of what learns is an error, not all weights', () => {
  const wrong = { frozenBlocks: 0, attentonOnly: true } as never;
  expect(() => studentOf(model, wrong)).toThrow(
    'studentOf has no option "attentonOnly"; did you mean attentionOnly?',
  );
});
