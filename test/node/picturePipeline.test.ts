import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import { preprocess, preprocessingFor } from '../../src/image/index.js';
import { decodeImage } from '../../src/node/decode.js';
import { type PictureBatch, preparePictures } from '../../src/node/picturePipeline.js';
import { fixture, sha256 } from '../image/pictures.js';

const preprocessing = preprocessingFor('deit', [32, 24]);
const length = 32 * 24 * 3;
const pathOf = (name: string) => fileURLToPath(fixture(`images/${name}`));
const good = ['rgb.jpg', 'icc.jpg', 'cmyk.jpg', 'grey.jpg', 'rgb16.png', 'la.png', 'lossy.webp'].map(pathOf);
const folder = mkdtempSync(join(tmpdir(), 'deit-pipeline-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function collect(iteration: AsyncIterable<PictureBatch>): Promise<PictureBatch[]> {
  const batches: PictureBatch[] = [];
  for await (const batch of iteration) batches.push(batch);
  return batches;
}

/** Worker threads, and the message ports to them, that this process has open. */
const threads = () =>
  process.getActiveResourcesInfo().filter((kind) => /worker|messageport/i.test(kind)).length;

test.each([
  0, 1, 2,
])('%i workers give every picture once, in order, as preprocess gives it', async (workers) => {
  const files = Array.from({ length: 23 }, (_, i) => good[i % good.length]!);
  const batches = await collect(preparePictures(files, { preprocessing, batchSize: 5, workers }));
  expect(batches.map(({ start, count }) => [start, count])).toEqual([
    [0, 5],
    [5, 5],
    [10, 5],
    [15, 5],
    [20, 3],
  ]);
  expect(batches.flatMap((batch) => batch.files)).toEqual(files);
  expect(batches.flatMap((batch) => batch.indices)).toEqual(files.map((_, i) => i));
  expect(batches.flatMap((batch) => batch.failures)).toEqual([]);
  for (const batch of batches) {
    expect(batch.data.length).toBe(batch.files.length * length);
    for (const [i, file] of batch.files.entries()) {
      const picture = batch.data.subarray(i * length, (i + 1) * length);
      expect(sha256(picture)).toBe(sha256(preprocess(await decodeImage(file), preprocessing)));
    }
  }
});

test.each([0, 2])('%i workers name the files that give no picture and go on', async (workers) => {
  const text = join(folder, 'text.jpg');
  writeFileSync(text, 'not a picture');
  const absent = join(folder, 'absent.jpg');
  const cut = pathOf('truncated.jpg');
  const files = [text, good[0]!, cut, good[1]!, absent, absent, good[2]!];
  const batches = await collect(preparePictures(files, { preprocessing, batchSize: 2, workers }));
  expect(batches.map(({ indices }) => indices)).toEqual([[1], [3], [], [6]]);
  const failures = batches.flatMap((batch) => batch.failures);
  expect(failures.map(({ index, file }) => [index, file])).toEqual([
    [0, text],
    [2, cut],
    [4, absent],
    [5, absent],
  ]);
  for (const { file, message } of failures) expect(message.startsWith(`${file}: `)).toBe(true);
  expect(failures[2]!.message).toMatch(/no such file/);
  const first = preprocess(await decodeImage(good[0]!), preprocessing);
  expect(sha256(batches[0]!.data)).toBe(sha256(first));
  expect(batches[2]!.data.length).toBe(0);
});

test('no file gives no batch, and no thread', async () => {
  const before = threads();
  expect(await collect(preparePictures([], { preprocessing, batchSize: 4, workers: 2 }))).toEqual([]);
  expect(threads()).toBe(before);
});

test.each([0, 2])('with %i workers, break, a throw and an abort end the threads', async (workers) => {
  const files = Array.from({ length: 400 }, (_, i) => good[i % good.length]!);
  const options = { preprocessing, batchSize: 4, workers };
  const before = threads();
  for await (const batch of preparePictures(files, options)) {
    expect(threads() > before).toBe(workers > 0);
    if (batch.start === 4) break;
  }
  expect(threads()).toBe(before);

  const thrown = (async () => {
    for await (const _ of preparePictures(files, options)) throw new Error('mine');
  })();
  await expect(thrown).rejects.toThrow('mine');
  expect(threads()).toBe(before);

  const controller = new AbortController();
  let batches = 0;
  const aborted = (async () => {
    for await (const _ of preparePictures(files, { ...options, signal: controller.signal })) {
      if (++batches === 2) controller.abort(new Error('enough'));
    }
  })();
  await expect(aborted).rejects.toThrow('enough');
  expect(batches).toBe(2);
  expect(threads()).toBe(before);

  const late = preparePictures(files, { ...options, signal: AbortSignal.abort(new Error('late')) });
  await expect(late.next()).rejects.toThrow('late');
  expect(threads()).toBe(before);
});

test('no more than two batches are read ahead of a caller who waits', async () => {
  // Files that do not exist when their batch is begun are reported so: making them later shows how far it read.
  const files = Array.from({ length: 40 }, (_, i) => join(folder, `later-${i}.jpg`));
  const iteration = preparePictures(files, { preprocessing, batchSize: 2, workers: 2 });
  await iteration.next();
  // While another pipeline goes through as many files that are there, this one would have read on.
  const others = files.map((_, i) => good[i % good.length]!);
  await collect(preparePictures(others, { preprocessing, batchSize: 2, workers: 2 }));
  for (const file of files) writeFileSync(file, readFileSync(good[0]!));
  const rest = await collect(iteration);
  expect(rest.length).toBe(19);
  expect(rest.slice(2).flatMap((batch) => batch.failures)).toEqual([]);
});

test('sizes that make no sense are refused', async () => {
  const first = (batchSize: number, workers: number) =>
    preparePictures(good, { preprocessing, batchSize, workers }).next();
  await expect(first(0, 1)).rejects.toThrow(/batchSize is 0/);
  await expect(first(1.5, 1)).rejects.toThrow(RangeError);
  await expect(first(4, -1)).rejects.toThrow(/workers is -1/);
});
