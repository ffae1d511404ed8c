/** k-NN classification, against PyTorch (test/fixtures/make_knn.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { accuracyOf, knnVotes, type Products } from '../../src/evaluate/knn.js';

interface Fixture {
  numClasses: number;
  width: number;
  train: number[][];
  trainLabels: number[];
  val: number[][];
  valLabels: number[];
  cases: { k: number; temperature: number; votes: number[][]; top1: number; top5: number }[];
}

const fixture: Fixture = JSON.parse(readFileSync('test/fixtures/knn.json', 'utf8'));
const { numClasses, width, cases } = fixture;

const products: Products = async (a, b, width) => {
  const [m, n] = [a.length / width, b.length / width];
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let k = 0; k < width; k++) out[i * n + j]! += a[i * width + k]! * b[j * width + k]!;
  return out;
};

const featuresOf = (rows: number[][], labels: number[]) => ({
  values: Float32Array.from(rows.flat()),
  width,
  labels,
});
const train = featuresOf(fixture.train, fixture.trainLabels);
const val = featuresOf(fixture.val, fixture.valLabels);

describe.each(cases)('k $k, temperature $temperature', ({ k, temperature, votes, top1, top5 }) => {
  test('votes and accuracy are those of PyTorch', async () => {
    const found = await knnVotes(train, val, { k, temperature, numClasses, products });
    for (const [i, vote] of votes.flat().entries()) {
      expect(Math.abs(found[i]! - vote)).toBeLessThanOrEqual(1e-4 * Math.abs(vote));
    }
    expect(accuracyOf(found, val.labels, numClasses)).toEqual({ images: 40, top1, top5, loss: null });
  });
});

test('with more training images than are looked at together, neighbours are those of all', async () => {
  const times = 100;
  const many = featuresOf(
    Array.from({ length: times }, () => fixture.train).flat(),
    Array.from({ length: times }, () => fixture.trainLabels).flat(),
  );
  const fractions: number[] = [];
  const options = { temperature: 1, numClasses, products };
  const found = await knnVotes(many, val, {
    ...options,
    k: 20 * times,
    onProgress: (fraction) => fractions.push(fraction),
  });
  const once = await knnVotes(train, val, { ...options, k: 20 });
  for (const [i, vote] of once.entries()) expect(found[i]! / times).toBeCloseTo(vote, 4);
  expect(fractions.length).toBe(3);
  expect(fractions.at(-1)).toBe(1);
});

test('with fewer training images than neighbours all vote; a class without votes is never right', async () => {
  const few = { values: Float32Array.of(1, 0, 0, 2), width: 2, labels: [3, 1] };
  const one = { values: Float32Array.of(5, 0), width: 2 };
  const votes = await knnVotes(few, one, { k: 20, temperature: 0.5, numClasses: 4, products });
  expect([...votes]).toEqual([0, 1, 0, Math.exp(2)]);
  expect(accuracyOf(votes, [3], 4)).toMatchObject({ top1: 100, top5: 100 });
  expect(accuracyOf(votes, [1], 4)).toMatchObject({ top1: 0, top5: 100 });
  expect(accuracyOf(votes, [0], 4)).toMatchObject({ top1: 0, top5: 0 });
});
