import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import { type AttentionStack, attentionMap, attentionStack, rollout } from '../../src/explain/index.js';
import { load } from '../../src/models/load.js';

/** Made by test/fixtures/make_attention.py. */
interface Reference {
  imgSize: [number, number];
  attention: number[];
  rollout: number[][];
}

const reference: Record<string, Reference> = JSON.parse(readFileSync('test/fixtures/attention.json', 'utf8'));

async function stackOf(file: string): Promise<AttentionStack> {
  const { imgSize } = reference[file]!;
  const convert = { numHeads: 2, imgSize };
  const model = await load(readFileSync(`test/fixtures/models/${file}`), { backend: 'wasm', convert });
  const [height, width] = imgSize;
  const values = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * 0.37));
  const x = tf.tensor4d(values, [1, height, width, 3]);
  try {
    return await attentionStack(model, x);
  } finally {
    x.dispose();
    model.dispose();
  }
}

function expectClose(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(2e-6);
}

describe.each(Object.keys(reference))('%s, as PyTorch computes it', (file) => {
  let stack: AttentionStack;
  const { attention, rollout: expectedRollout } = reference[file]!;
  beforeAll(async () => {
    stack = await stackOf(file);
  });

  test('the weights of the last block', () => expectClose(stack.layers.at(-1)!, attention));

  test('the rollout of each prefix token', () => {
    expectClose(rollout(stack).data, expectedRollout[0]!);
    if (stack.prefixTokens === 2) expectClose(rollout(stack, { token: 'dist' }).data, expectedRollout[1]!);
  });

  test('maps of one head, and their mean, over the patches alone', () => {
    const { tokens, prefixTokens: prefix, heads, grid } = stack;
    const rowOf = (head: number, row: number) =>
      attention.slice((head * tokens + row) * tokens, (head * tokens + row + 1) * tokens).slice(prefix);
    const one = attentionMap(stack, { layer: 1, head: 1 });
    expect([one.rows, one.cols]).toEqual(grid);
    expectClose(one.data, rowOf(1, 0));
    const rows = Array.from({ length: heads }, (_, head) => rowOf(head, prefix - 1));
    const mean = rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / heads);
    expectClose(attentionMap(stack, { token: prefix === 2 ? 'dist' : 'cls' }).data, mean);
  });
});

test('what is not there is said', async () => {
  const stack = await stackOf('facebook_wide.pth');
  expect(() => attentionMap(stack, { layer: 2 })).toThrow(
    'the model has 2 layers, 0 to 1; there is no layer 2',
  );
  expect(() => attentionMap(stack, { head: -1 })).toThrow(
    'the model has 2 heads, 0 to 1; there is no head -1',
  );
  expect(() => rollout(stack, { token: 'dist' })).toThrow('has no distillation token');
});

test('leaves no tensor behind', async () => {
  await useBackend('wasm');
  const before = tf.memory().numTensors;
  await stackOf('facebook_wide.pth');
  expect(tf.memory().numTensors).toBe(before);
});
