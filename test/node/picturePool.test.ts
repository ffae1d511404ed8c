import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { preprocessingFor } from '../../src/image/index.js';
import { type PictureSource, startPicturePool } from '../../src/node/picturePool.js';

const url = new URL('./failingWorker.js', import.meta.url);
const preprocessing = preprocessingFor('deit', [8, 8]);
let folder: string;
let pool: PictureSource;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deit-pool-'));
});
afterEach(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

/** The number that each file was answered with, or why there was none. */
async function answers(names: readonly string[]): Promise<(number | string)[]> {
  const prepared = await Promise.all(names.map((name) => pool.prepare(join(folder, name))));
  return prepared.map((result) => ('data' in result ? result.data[0]! : result.message));
}

const tries = (name: string) => readFileSync(join(folder, `tried-${name}`), 'utf8').length;
const numbered = Array.from({ length: 20 }, (_, i) => `picture${i}`);
const numbers = numbered.map((_, i) => i);

test.each([
  1, 3,
])('a picture that its worker dies of is tried twice, then failed; with %i workers', async (n) => {
  pool = startPicturePool(n, preprocessing, url);
  const [first, ...rest] = await answers(['die', ...numbered]);
  expect(first).toBe(`${join(folder, 'die')}: the thread that decoded it died twice (exit code 3)`);
  expect(tries('die')).toBe(2);
  expect(rest).toEqual(numbers);
  expect(numbered.map(tries)).toEqual(numbers.map(() => 1)); // none lost, none done twice
});

test('a picture that its worker dies of once is answered by the next worker', async () => {
  pool = startPicturePool(2, preprocessing, url);
  expect(await answers([...numbered, 'die-once'])).toEqual([...numbers, -1]);
  expect(tries('die-once')).toBe(2);
});

test('memory given back is used for a later picture', async () => {
  pool = startPicturePool(1, preprocessing, url);
  const [before] = await Promise.all([pool.prepare(join(folder, 'picture4'))]);
  const data = 'data' in before! ? before.data : undefined;
  pool.recycle(data!);
  expect(await answers(['picture5'])).toEqual([5]);
  expect(data!.length).toBe(0); // transferred away
});

test('threads that cannot start are one error, not one for each picture', async () => {
  pool = startPicturePool(2, preprocessing, new URL('./brokenWorker.js', import.meta.url));
  const asked = pool.prepare(join(folder, 'picture1'));
  await expect(asked).rejects.toThrow(UserError);
  await expect(asked).rejects.toThrow('the threads that decode pictures do not start: no such library');
  await expect(pool.prepare(join(folder, 'picture2'))).rejects.toThrow(UserError);
});
