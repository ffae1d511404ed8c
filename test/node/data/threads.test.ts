import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Preparer } from '../../../src/data/loader.js';
import type { PreparedSlice } from '../../../src/data/transform.js';
import { UserError } from '../../../src/errors.js';
import { preprocessingFor } from '../../../src/image/index.js';
import { fileSource } from '../../../src/node/data/fileDataset.js';
import { startThreads } from '../../../src/node/data/threads.js';

const url = new URL('./failingWorker.js', import.meta.url);
const spec = { preprocessing: preprocessingFor('deit', [8, 8]) };
let folder: string;
let pool: Preparer;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deit-pool-'));
});
afterEach(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

/** The number that each file was answered with, or why there was none. */
async function answers(names: readonly string[]): Promise<(number | string)[]> {
  const prepared = await Promise.all(names.map(prepare));
  return prepared.map(({ pixels, failures }) => failures[0]?.message ?? pixels[0]!);
}

function prepare(name: string): Promise<PreparedSlice> {
  return pool.prepare(fileSource(folder, [name]), { epoch: 0, place: 0, indices: Int32Array.of(0) });
}

const tries = (name: string) => readFileSync(join(folder, `tried-${name}`), 'utf8').length;
const numbered = Array.from({ length: 20 }, (_, i) => `image${i}`);
const numbers = numbered.map((_, i) => i);

test.each([
  1, 3,
])('an image that its worker dies of is tried twice, then failed; with %i workers', async (n) => {
  pool = startThreads(spec, n, undefined, url);
  const [first, ...rest] = await answers(['die', ...numbered]);
  expect(first).toBe(`${join(folder, 'die')}: the thread that read it died twice (exit code 3)`);
  expect(tries('die')).toBe(2);
  expect(rest).toEqual(numbers);
  expect(numbered.map(tries)).toEqual(numbers.map(() => 1)); // none lost, none done twice
});

test('an image that its worker dies of once is answered by the next worker', async () => {
  pool = startThreads(spec, 2, undefined, url);
  expect(await answers([...numbered, 'die-once'])).toEqual([...numbers, -1]);
  expect(tries('die-once')).toBe(2);
});

test('memory given back is used for a later image', async () => {
  pool = startThreads(spec, 1, undefined, url);
  const { pixels } = await prepare('image4');
  pool.recycle(pixels);
  expect(await answers(['image5'])).toEqual([5]);
  expect(pixels.length).toBe(0); // transferred away
});

test('threads that cannot start are one error, not one for each image', async () => {
  pool = startThreads(spec, 2, undefined, new URL('./brokenWorker.js', import.meta.url));
  const asked = prepare('image1');
  await expect(asked).rejects.toThrow(UserError);
  await expect(asked).rejects.toThrow('the threads that read images do not start: no such library');
  await expect(prepare('image2')).rejects.toThrow(UserError);
});
