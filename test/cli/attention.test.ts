import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { deit } from './captureCli.js';

const MODEL = 'examples/digits/deit_digits_distilled.pth';
const IMAGE = 'examples/digits/val/8/00435.png';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-attention-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the command; gives the file that it was to write, and what it said if it failed. */
async function draw(
  name: string,
  ...options: string[]
): Promise<{ path: string; error: string | undefined }> {
  const path = join(folder, name);
  const { code, err } = await deit('attention', MODEL, IMAGE, '--out', path, ...options);
  return { path, error: code === 0 ? undefined : err.trim() };
}

test.each([
  ['one.png', 'png'],
  ['one.JPG', 'jpeg'],
  ['one.webp', 'webp'],
])('%s is written in the format that its ending names, large enough to be seen', async (name, format) => {
  const { path } = await draw(name, '--layer', '4', '--head', '1');
  const { format: found, width, height } = await sharp(path).metadata();
  expect(found).toBe(format);
  // 24 pixels of a digit reach the model: they are enlarged by a whole number.
  expect([width, height]).toEqual([456, 456]);
});

test('another ending is refused before anything is computed', async () => {
  const { path, error } = await draw('one.gif');
  expect(error).toMatch(/one\.gif: ends in \.gif; images are written as \.png, \.jpg, \.jpeg, \.webp$/);
  await expect(access(path)).rejects.toThrow();
});

test('layers and heads count from 1', async () => {
  expect((await draw('a.png', '--layer', '5')).error).toMatch(/4 layers, 1 to 4; there is no layer 5/);
  expect((await draw('a.png', '--head', '5')).error).toMatch(/4 heads, 1 to 4; there is no head 5/);
  expect((await draw('a.png', '--layer', '0')).error).toMatch(/--layer must be a whole number of at least 1/);
});

test('the grid has a margin with numbers, and a class has its own map', async () => {
  const { path } = await draw('grid.png', '--grid');
  const { width, height } = await sharp(path).metadata();
  // Four cells of 24 pixels, six times as large, with gaps of 4 pixels, and the numbers before them.
  expect(width).toBeGreaterThan(4 * 148);
  expect(height).toBeGreaterThan(4 * 148);
  const [eight, nine] = await Promise.all(
    ['8', '9'].map(async (label) =>
      sharp((await draw(`${label}.png`, '--class', label)).path)
        .raw()
        .toBuffer(),
    ),
  );
  expect(eight!.equals(nine!)).toBe(false);
  expect((await draw('b.png', '--class', 'cat')).error).toMatch(/none of its 10 classes is cat/);
  expect((await draw('b.png', '--rollout', '--fusion', 'max', '--discard', '0.5')).error).toBeUndefined();
  expect((await draw('b.png', '--rollout', '--discard', '1')).error).toMatch(
    /discardRatio is from 0 to below 1/,
  );
});

test('what the checkpoint does not tell can be said, and is used', async () => {
  const wrong = await draw('heads.png', '--head', '8', '--num-heads', '8');
  expect(wrong.error).toBeUndefined(); // the model itself has 4: head 8 is there only if the option is read
  const plain = await draw('plain.png', '--rollout');
  const squashed = await draw('other.png', '--rollout', '--mean', '0', '--std', '0.05');
  expect(squashed.error).toBeUndefined();
  expect(await sharp(squashed.path).raw().toBuffer()).not.toEqual(await sharp(plain.path).raw().toBuffer());
});
