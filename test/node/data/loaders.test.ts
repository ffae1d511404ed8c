import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import type { ImageSource } from '../../../src/data/dataset.js';
import { type ImageBatch, loadBatches } from '../../../src/data/loader.js';
import type { BatchSlice } from '../../../src/data/transform.js';
import { preprocess, preprocessingFor } from '../../../src/image/index.js';
import { fileDataset, fileSource } from '../../../src/node/data/fileDataset.js';
import { loadDataset, preparerFor } from '../../../src/node/data/loaders.js';
import { decodeImage } from '../../../src/node/decode.js';
import { fixture, sha256 } from '../../image/images.js';

const preprocessing = preprocessingFor('deit', [32, 24]);
const length = 32 * 24 * 3;
const pathOf = (name: string) => fileURLToPath(fixture(`images/${name}`));
const good = ['rgb.jpg', 'icc.jpg', 'cmyk.jpg', 'grey.jpg', 'rgb16.png', 'la.png', 'lossy.webp'].map(pathOf);
const folder = mkdtempSync(join(tmpdir(), 'deit-loaders-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function* load(files: readonly string[], batchSize: number, workers: number, order?: Int32Array) {
  const loader = loadDataset(
    fileDataset('', files, new Int32Array(files.length), []),
    preprocessing,
    workers,
  );
  try {
    yield* loader.batches(batchSize, order);
  } finally {
    await loader.close();
  }
}

async function collect(iteration: AsyncIterable<ImageBatch>) {
  const batches = [];
  for await (const { pixels, indices, failures = [] } of iteration) {
    batches.push({ pixels, indices: Array.from(indices), failures });
  }
  return batches;
}

/** Worker threads, and the message ports to them, that this process has open. */
const threads = () =>
  process.getActiveResourcesInfo().filter((kind) => /worker|messageport/i.test(kind)).length;

test.each([
  0, 1, 2,
])('%i workers give every image once, in order, as preprocess gives it', async (workers) => {
  const files = Array.from({ length: 23 }, (_, i) => good[i % good.length]!);
  const batches = await collect(load(files, 5, workers));
  expect(batches.map(({ indices }) => indices.length)).toEqual([5, 5, 5, 5, 3]);
  expect(batches.flatMap(({ indices }) => indices)).toEqual(files.map((_, i) => i));
  expect(batches.flatMap(({ failures }) => failures)).toEqual([]);
  for (const { pixels, indices } of batches) {
    expect(pixels.length).toBe(indices.length * length);
    for (const [row, index] of indices.entries()) {
      const image = pixels.subarray(row * length, (row + 1) * length);
      expect(sha256(image)).toBe(sha256(preprocess(await decodeImage(files[index]!), preprocessing)));
    }
  }
  const some = await collect(load(files, 2, workers, Int32Array.of(3, 22, 0)));
  expect(some.map(({ indices }) => indices)).toEqual([[3, 22], [0]]);
  expect(sha256(some[1]!.pixels)).toBe(sha256(batches[0]!.pixels.subarray(0, length)));
});

test.each([0, 2])('%i workers name the files that give no image and go on', async (workers) => {
  const text = join(folder, 'text.jpg');
  writeFileSync(text, 'not an image');
  const absent = join(folder, 'absent.jpg');
  const truncated = pathOf('truncated.jpg');
  const files = [text, good[0]!, truncated, good[1]!, absent, absent, good[2]!, good[3]!];
  const batches = await collect(load(files, 2, workers));
  expect(batches.map(({ indices }) => indices)).toEqual([[1], [3], [], [6, 7]]);
  const failures = batches.flatMap((batch) => batch.failures);
  expect(failures.map(({ index }) => index)).toEqual([0, 2, 4, 5]);
  for (const { index, message } of failures) expect(message.startsWith(`${files[index]}: `)).toBe(true);
  expect(failures[2]!.message).toMatch(/no such file/);
  const first = preprocess(await decodeImage(good[0]!), preprocessing);
  expect(sha256(batches[0]!.pixels)).toBe(sha256(first));
  expect(batches[2]!.pixels.length).toBe(0);
});

test('no file gives no batch, and no thread', async () => {
  const before = threads();
  expect(await collect(load([], 4, 2))).toEqual([]);
  expect(threads()).toBe(before);
});

test.each([0, 2])('with %i workers, break and a throw end the threads', async (workers) => {
  const files = Array.from({ length: 400 }, (_, i) => good[i % good.length]!);
  const before = threads();
  for await (const { indices } of load(files, 4, workers)) {
    expect(threads() > before).toBe(workers > 0);
    if (indices[0] === 4) break;
  }
  expect(threads()).toBe(before);

  const thrown = (async () => {
    for await (const _ of load(files, 4, workers)) throw new Error('mine');
  })();
  await expect(thrown).rejects.toThrow('mine');
  expect(threads()).toBe(before);
});

test('no more than two batches are read ahead of a caller who waits', async () => {
  const preparer = preparerFor({ preprocessing }, 2);
  const begun: Promise<unknown>[] = [];
  let images = 0;
  const counting = new Proxy(preparer, {
    get: (target, name) => {
      if (name !== 'prepare') return Reflect.get(target, name);
      return (source: ImageSource, slice: BatchSlice) => {
        images += slice.indices.length;
        const prepared = target.prepare(source, slice);
        begun.push(prepared);
        return prepared;
      };
    },
  });
  const files = Array.from({ length: 40 }, (_, i) => good[i % good.length]!);
  const iteration = loadBatches(fileSource('', files), counting, 2);
  await iteration.next();
  // Until all that was begun has ended, and led to nothing more.
  for (let seen = 0; seen < begun.length; await setImmediate()) {
    seen = begun.length;
    await Promise.all(begun);
  }
  expect(images).toBe(2 * (1 + 2));
  expect((await collect(iteration)).length).toBe(19);
  expect(images).toBe(40);
  await preparer.close();
});

test('one set of threads prepares several lists of files', async () => {
  const preparer = preparerFor({ preprocessing }, 2);
  const [a, b] = [good.slice(0, 2), good.slice(2, 4)].map((files) =>
    collect(loadBatches(fileSource('', files), preparer, 2)),
  );
  const expected = async (files: string[]) =>
    Promise.all(files.map(async (file) => sha256(preprocess(await decodeImage(file), preprocessing))));
  const found = (await Promise.all([a!, b!])).map(([batch]) =>
    [0, 1].map((row) => sha256(batch!.pixels.slice(row * length, (row + 1) * length))),
  );
  await preparer.close();
  expect(found).toEqual([await expected(good.slice(0, 2)), await expected(good.slice(2, 4))]);
});

test('sizes that make no sense are refused', () => {
  const batches = (batchSize: number, workers: number) => load(good, batchSize, workers).next();
  return Promise.all([
    expect(batches(0, 1)).rejects.toThrow(/batchSize is a whole number of at least 1, got the number 0/),
    expect(batches(1.5, 1)).rejects.toThrow(/batchSize is a whole number/),
    expect(batches(4, -1)).rejects.toThrow(/workers is -1/),
  ]);
});
