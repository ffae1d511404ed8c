import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import type { AugmentConfig } from '../../../src/data/config.js';
import type { TrainBatch } from '../../../src/data/loader.js';
import { preprocess, preprocessingFor } from '../../../src/image/index.js';
import { openEvalData, openTrainData } from '../../../src/node/data/loaders.js';
import { decodeImage } from '../../../src/node/decode.js';
import { fixture, sha256 } from '../../image/images.js';

const root = mkdtempSync(join(tmpdir(), 'deit-train-data-'));
afterAll(() => rmSync(root, { recursive: true }));

const preprocessing = preprocessingFor('deit', [16, 16]);
const augment: AugmentConfig = {
  randomResizedCrop: { scale: [0.3, 1], ratio: [3 / 4, 4 / 3] },
  affine: null,
  hflip: 0.5,
  colorJitter: 0,
  randAugment: 'rand-m9-mstd0.5-inc1',
  randomErasing: 0.25,
  repeats: 1,
};

/** Two classes, five images each, some of them twice. */
function pets(): string {
  const path = join(root, 'pets');
  for (const name of ['rgb.jpg', 'icc.jpg', 'grey.jpg', 'lossy.webp', 'rgb.png']) {
    for (const label of ['cat', 'dog']) {
      mkdirSync(join(path, label), { recursive: true });
      cpSync(fileURLToPath(fixture(`images/${name}`)), join(path, label, name));
    }
  }
  return path;
}

/** 37 random grey images of 12 × 10. */
function digits(): string {
  const path = join(root, 'digits');
  mkdirSync(path);
  const image = Uint8Array.from({ length: 37 * 120 }, (_, i) => (i * i * 31 + i) % 251);
  const header = (bytes: number[]) => Uint8Array.from(bytes);
  writeFileSync(
    join(path, 'train-images-idx3-ubyte'),
    Buffer.concat([header([0, 0, 8, 3, 0, 0, 0, 37, 0, 0, 0, 12, 0, 0, 0, 10]), image]),
  );
  writeFileSync(
    join(path, 'train-labels-idx1-ubyte'),
    Buffer.concat([header([0, 0, 8, 1, 0, 0, 0, 37]), header(Array.from({ length: 37 }, (_, i) => i % 10))]),
  );
  return path;
}

const sets = {
  folder: { format: 'folder', path: pets(), split: 'train', limit: null },
  mnist: { format: 'mnist', path: digits(), split: 'train', limit: 36 },
} as const;

const summary = ({ pixels, labels, indices }: TrainBatch) => [sha256(pixels), [...labels], [...indices]];

async function epochs(name: keyof typeof sets, workers: number, start = 0) {
  const data = await openTrainData({ data: sets[name], augment, preprocessing, seed: 5, workers });
  try {
    const found = [];
    for (const epoch of [0, 1]) {
      for await (const batch of data.batches(epoch, { batchSize: 4, start })) found.push(summary(batch));
    }
    return found;
  } finally {
    await data.close();
  }
}

test.each([
  'folder',
  'mnist',
] as const)('%s: batches are the same bytes on any number of threads', async (name) => {
  const alone = await epochs(name, 0);
  expect(alone.length).toBe(name === 'folder' ? 2 * 2 : 2 * 9);
  expect(await epochs(name, 3)).toEqual(alone);
  const half = alone.length / 2;
  expect(await epochs(name, 2, 1)).toEqual([...alone.slice(1, half), ...alone.slice(half + 1)]);
  expect(alone[0]).not.toEqual(alone[half]);
});

test('labels belong to their images, and with repeats each image comes in several ways', async () => {
  const repeated = { ...augment, repeats: 3 };
  const data = await openTrainData({
    data: sets.folder,
    augment: repeated,
    preprocessing,
    seed: 1,
    workers: 1,
  });
  expect([data.length, data.classNames, data.batchesPerEpoch(3)]).toEqual([10, ['cat', 'dog'], 3]);
  for await (const { pixels, labels, indices } of data.batches(0, { batchSize: 3, start: 0 })) {
    expect(new Set(indices).size).toBe(1);
    expect(labels).toEqual(indices.map((index) => (index < 5 ? 0 : 1)));
    const length = pixels.length / 3;
    expect(new Set([0, 1, 2].map((i) => sha256(pixels.slice(i * length, (i + 1) * length)))).size).toBe(3);
  }
  await data.close();
});

test('evaluation gives every image once, in order, as preprocess gives it', async () => {
  const data = await openEvalData({ data: sets.folder, preprocessing, workers: 2 });
  const batches = [];
  for await (const batch of data.batches(4)) batches.push(batch);
  await data.close();
  expect(batches.map(({ indices }) => [...Array.from(indices)])).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ]);
  expect([...Array.from(data.labels)]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
  const first = await decodeImage(join(sets.folder.path, 'cat', 'grey.jpg'));
  const length = 16 * 16 * 3;
  expect(sha256(batches[0]!.pixels.slice(0, length))).toBe(sha256(preprocess(first, preprocessing)));
});

test.each([0, 2])('with %i workers, an image that is cut short ends the epoch by name', async (workers) => {
  const path = join(root, `cut${workers}`);
  mkdirSync(join(path, 'a'), { recursive: true });
  cpSync(fileURLToPath(fixture('images/rgb.png')), join(path, 'a', 'good.png'));
  cpSync(fileURLToPath(fixture('images/truncated.jpg')), join(path, 'a', 'cut.jpg'));
  const data = await openTrainData({
    data: { ...sets.folder, path },
    augment,
    preprocessing,
    seed: 0,
    workers,
  });
  const read = async () => {
    for await (const _ of data.batches(0, { batchSize: 2, start: 0 }));
  };
  await expect(read()).rejects.toMatchObject({
    name: 'UserError',
    message: expect.stringMatching(new RegExp(`^${join(path, 'a', 'cut.jpg')}: `)),
  });
  await data.close();
});

test('a randAugment that is not understood is refused before anything is read', async () => {
  const wrong = { ...augment, randAugment: 'rand-m' };
  const opened = openTrainData({ data: sets.folder, augment: wrong, preprocessing, seed: 0, workers: 0 });
  await expect(opened).rejects.toThrow('randAugment "rand-m"');
});

test('no randAugment is none, and a batch has at least one image', async () => {
  const plain = { ...augment, randAugment: null };
  const data = await openTrainData({ data: sets.mnist, augment: plain, preprocessing, seed: 0, workers: 0 });
  for await (const { labels } of data.batches(0, { batchSize: 36, start: 0 }))
    expect(labels).toHaveLength(36);
  for (const size of [0, -1, 1.5, Number.NaN]) {
    expect(() => data.batchesPerEpoch(size)).toThrow(/batchSize is a whole number/);
  }
  expect(data.batchesPerEpoch(36)).toBe(1);
  await data.close();
});
