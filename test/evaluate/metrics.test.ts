import { expect, test } from '@jest/globals';
import { Metrics } from '../../src/evaluate/index.js';

const prediction = (label: number, top5: number[], loss: number) => ({
  file: 'f',
  label,
  top5,
  logits: [],
  loss,
});

test('counts first and fifth places and the mean loss over the images that were scored', () => {
  const metrics = new Metrics(5);
  metrics.add(0, prediction(3, [3, 1, 2, 4, 5], 0.5));
  metrics.add(2, prediction(5, [3, 1, 2, 4, 5], 1.5));
  metrics.add(3, prediction(7, [3, 1, 2, 4, 5], 4));
  expect(metrics.accuracy()).toEqual({ images: 3, top1: 100 / 3, top5: 200 / 3, loss: 2 });
});

test('gives the same sum to the last digit in whatever order images come, and counts none twice', () => {
  const losses = Array.from({ length: 200 }, (_, i) => Math.sin(i + 1) ** 2 / 3 + 1e-7 * i);
  const sum = (order: number[]) => {
    const metrics = new Metrics(losses.length);
    for (const i of order) metrics.add(i, prediction(0, [0], losses[i]!));
    return metrics.accuracy();
  };
  const forward = losses.map((_, i) => i);
  const shuffled = forward.toSorted((a, b) => Math.sin(a * 7) - Math.sin(b * 7));
  expect(sum([...shuffled, ...shuffled.slice(0, 50)])).toEqual(sum(forward));
});

test('gives null where nothing was scored', () => {
  expect(new Metrics(3).accuracy()).toEqual({ images: 0, top1: null, top5: null, loss: null });
});
