import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import type { DataConfig } from '../../../src/data/config.js';
import { openDataset } from '../../../src/node/data/openDataset.js';
import { fixture } from '../../image/images.js';

const root = mkdtempSync(join(tmpdir(), 'deit-sets-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A folder with these files: content, or the name of a fixture image after @. */
function folder(name: string, files: Record<string, string | Uint8Array>): string {
  const path = join(root, name);
  for (const [file, content] of Object.entries(files)) {
    const target = join(path, file);
    mkdirSync(join(target, '..'), { recursive: true });
    if (typeof content === 'string' && content.startsWith('@')) {
      cpSync(fileURLToPath(fixture(`images/${content.slice(1)}`)), target);
    } else writeFileSync(target, content);
  }
  mkdirSync(path, { recursive: true });
  return path;
}

const open = (format: DataConfig['format'], path: string, more: Partial<DataConfig> = {}) =>
  openDataset({ format, path, split: 'train', limit: null, ...more });

test('class folders in code-point order, their images below them', async () => {
  const path = folder('pets', {
    'dog/b.png': '@rgb.png',
    'dog/deep/a.jpg': '@rgb.jpg',
    'Zebra/z.png': '@grey.png',
    'cat/c.webp': '@lossy.webp',
    'cat/notes.txt': 'no image, and not taken for one',
    '.cache/x.png': '',
  });
  const set = await open('folder', path);
  expect(set.classNames).toEqual(['Zebra', 'cat', 'dog']);
  expect([...set.labels]).toEqual([0, 1, 2, 2]);
  expect(set.describe(3)).toBe(join(path, 'dog/deep/a.jpg'));
  expect((await set.read(0)).data.length).toBeGreaterThan(0);
  expect((await open('folder', path, { limit: 2 })).length).toBe(2);
});

test('what systems and archives leave is no class and no image; a link that leads nowhere is named', async () => {
  const path = folder('unzipped', {
    'cat/a.png': '@rgb.png',
    'cat/._a.png': 'no image',
    'dog/b.png': '@rgb.png',
    '__MACOSX/cat/._a.png': 'no image',
    'notes.txt': 'beside the classes',
  });
  symlinkSync(join(path, 'notes.txt'), join(path, 'link-to-file'));
  const set = await open('folder', path);
  expect([set.classNames, set.length]).toEqual([['cat', 'dog'], 2]);
  symlinkSync('/nowhere', join(path, 'emu'));
  await expect(open('folder', path)).rejects.toThrow(/emu: a link that leads nowhere; mend or remove it/);
});

test.each([
  ['no folder', join('no', 'where'), 'no such folder'],
  ['no class folders', folder('flat', { 'a.png': '@rgb.png' }), 'has no class folders'],
  ['an empty class', folder('hole', { 'a/a.png': '@rgb.png', 'b/readme.md': 'x' }), 'a class without images'],
])('%s: one clear line', async (_, path, message) => {
  await expect(open('folder', path)).rejects.toMatchObject({
    name: 'UserError',
    message: expect.stringContaining(message),
  });
});

test('files that are no images are named before anything runs', async () => {
  const path = folder('broken', {
    'a/empty.jpg': '',
    'a/good.png': '@rgb.png',
    'a/page.jpg': '<!doctype html>',
    'b/x.png': 'xx',
    'b/y.png': 'yy',
    'b/z.png': 'zz',
  });
  const error = await open('folder', path).catch((e) => e);
  expect(error.name).toBe('UserError');
  expect(error.message).toContain(
    `${join(path, 'a/empty.jpg')}: no image that can be read, but an empty file`,
  );
  expect(error.message).toContain(`${join(path, 'a/page.jpg')}: `);
  expect(error.message).toContain('(and 2 more)');
  expect(error.message).not.toContain('\n');
});

test('an image that is cut short is named when it is read', async () => {
  const path = folder('cut', { 'a/cut.jpg': '@truncated.jpg' });
  const set = await open('folder', path);
  await expect(set.read(0)).rejects.toThrow(join(path, 'a/cut.jpg'));
});

const images = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 200, 100);
const labels = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 4, 5);

test.each([
  ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 'train'],
  ['t10k-images.idx3-ubyte', 't10k-labels.idx1-ubyte', 'test'],
] as const)('MNIST by the names %s and %s', async (imageFile, labelFile, split) => {
  const path = folder(`mnist-${split}`, { [imageFile]: images, [labelFile]: labels });
  const set = await open('mnist', path, { split });
  expect([...set.labels]).toEqual([4, 5]);
  expect([...(await set.read(1)).data]).toEqual([100, 100, 100]);
});

test('a missing MNIST file is named, with the names that it may have', async () => {
  const path = folder('mnist-half', { 'train-images-idx3-ubyte': images });
  await expect(open('mnist', path)).rejects.toThrow(
    `${join(path, 'train-labels-idx1-ubyte')}: no such file, under that name or train-labels-idx1-ubyte.gz`,
  );
});

test('CIFAR-10 in the folder of its archive', async () => {
  const record = (label: number) => Uint8Array.from([label, ...Array(3072).fill(label)]);
  const inner = 'cifar-10-batches-bin';
  const files = Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`${inner}/data_batch_${i}.bin`, record(i)]));
  const path = folder('cifar', { ...files, [`${inner}/test_batch.bin`]: record(9) });
  expect([...(await open('cifar10', path)).labels]).toEqual([1, 2, 3, 4, 5]);
  expect([...(await open('cifar10', path, { split: 'test' })).labels]).toEqual([9]);
  rmSync(join(path, inner, 'data_batch_4.bin'));
  await expect(open('cifar10', path)).rejects.toThrow('data_batch_4.bin: no such file');
});
