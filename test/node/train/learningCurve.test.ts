import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { parseHTML } from 'linkedom';
import { EventRuns } from '../../../src/node/train/eventFile.js';
import {
  type CurvePoint,
  type Drawing,
  learningCurve,
  openDrawing,
} from '../../../src/node/train/learningCurve.js';

const points: CurvePoint[] = Array.from({ length: 8 }, (_, epoch) => ({
  epoch,
  trainLoss: 2 / (epoch + 1),
  valLoss: 2.2 / (epoch + 1),
  top1: 50 + 5 * Math.min(epoch, 5),
  emaTop1: 45 + 5 * Math.min(epoch, 5),
  learningRate: 1e-3 * (1 - epoch / 8),
  best: epoch <= 5,
}));

let drawing: Drawing;
beforeAll(async () => {
  drawing = await openDrawing();
});

const svgOf = (some: readonly CurvePoint[], title = 'deit_tiny') =>
  parseHTML(learningCurve(some, title, drawing)).document.querySelector('svg')!;
const texts = (svg: Element) => [...svg.querySelectorAll('text')].map((text) => text.textContent);

test('has a title, names its lines and axes, and says which epoch was best', () => {
  const svg = svgOf(points, 'a <b> & c');
  expect(svg.querySelector('title')!.textContent).toBe('Learning curve of a <b> & c');
  expect(svg.querySelector('b')).toBeNull();
  const found = texts(svg);
  expect(found).toContain('best epoch 6 of 8: top-1 75.00 %');
  for (const text of ['training', 'validation', 'weights', 'running mean', 'learning rate', 'epoch']) {
    expect(found).toContain(text);
  }
  expect(found).toEqual(expect.arrayContaining(['loss, nats', 'validation top-1, %']));
});

test('follows light and dark', () => {
  const style = svgOf(points).querySelector('style')!.textContent!;
  expect(style).toContain('prefers-color-scheme: dark');
  const used = new Set(
    [...learningCurve(points, '', drawing).matchAll(/var\((--[a-z]+)\)/g)].map(([, name]) => name!),
  );
  for (const name of used) expect(style.split(`${name}:`).length).toBe(3); // once for light, once for dark
  expect(learningCurve(points, '', drawing)).not.toMatch(/#ffffff"|fill="(black|#000)"/);
});

test('without learning rates and a best epoch there is no empty panel', () => {
  const some = points.map(({ epoch, trainLoss, valLoss, top1 }) => ({ epoch, trainLoss, valLoss, top1 }));
  const svg = svgOf(some);
  expect(texts(svg)).not.toContain('learning rate');
  expect(texts(svg)).toContain('8 epochs');
  expect(svg.querySelectorAll('g > svg').length).toBe(2);
});

test('TensorBoard gets a run each for training and validation, with the same tags', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'deit-runs-'));
  const runs = await EventRuns.create(folder, ['train', 'val'], 1);
  await runs.scalars(1, { train: { loss: 0.5 } });
  await runs.scalars(2, { train: { loss: 0.4 }, val: { loss: 0.6, top1: 80 } });
  await runs.scalars(3, { val: { loss: undefined } });
  await runs.close();
  const [train, val] = await Promise.all(
    ['train', 'val'].map(async (run) => {
      const [file, ...others] = await readdir(join(folder, run));
      expect(others).toEqual([]);
      return readFile(join(folder, run, file!), 'latin1');
    }),
  );
  const count = (text: string, tag: string) => text.split(`\n\u0004${tag}`).length - 1;
  expect([count(train!, 'loss'), count(val!, 'loss')]).toEqual([2, 1]);
  expect(val).toContain('top1');
});
