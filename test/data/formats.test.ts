import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { cifar10Dataset } from '../../src/data/cifar10.js';
import { limited } from '../../src/data/dataset.js';
import { mnistDataset } from '../../src/data/mnist.js';
import type { NamedBytes } from '../../src/data/namedBytes.js';

/** An IDX file of unsigned bytes. */
function idx(lengths: number[], values: number[], kind = 0x08): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 4 * lengths.length + values.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (kind << 8) | lengths.length);
  for (const [axis, length] of lengths.entries()) view.setUint32(4 + 4 * axis, length);
  bytes.set(values, 4 + 4 * lengths.length);
  return bytes;
}

const named = (name: string, bytes: Uint8Array): NamedBytes => ({ name, bytes: new Uint8Array(bytes) });
const twoImages = idx([2, 2, 3], [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60]);
const twoLabels = idx([2], [7, 3]);

test.each([
  ['plain', (bytes: Uint8Array) => bytes],
  ['gzipped', gzipSync],
])('MNIST files, %s, give their levels in all three colours, and their labels', async (_, pack) => {
  const set = await mnistDataset(named('images', pack(twoImages)), named('labels', pack(twoLabels)));
  expect([set.length, set.classNames.length, [...set.labels]]).toEqual([2, 10, [7, 3]]);
  const { data, width, height } = await set.read(1);
  expect([width, height]).toEqual([3, 2]);
  expect([...data]).toEqual([10, 20, 30, 40, 50, 60].flatMap((level) => [level, level, level]));
  expect(set.describe(1)).toBe('images, image 1');
});

test('a limit takes the first images', async () => {
  const set = limited(await mnistDataset(named('images', twoImages), named('labels', twoLabels)), 1);
  expect([set.length, [...set.labels], set.classNames.length]).toEqual([1, [7], 10]);
});

test('labels above 9 make more classes', async () => {
  const set = await mnistDataset(named('images', twoImages), named('labels', idx([2], [46, 3])));
  expect(set.classNames.length).toBe(47);
});

test.each([
  ['labels for images', twoLabels, twoLabels, 'images: an IDX file of images begins with 16 bytes'],
  ['images for labels', twoImages, twoImages, 'labels: an IDX file of labels begins with 0x00000801, found'],
  ['floats', idx([2, 2, 3], [], 0x0d), twoLabels, 'begins with 0x00000803, found 0x00000d03'],
  ['cut', twoImages.slice(0, -1), twoLabels, '2 × 2 × 3 values has 28 bytes, found 27'],
  ['too long', idx([1, 2, 3], Array(7).fill(0)), twoLabels, 'has 22 bytes, found 23'],
  ['a few bytes', Uint8Array.of(0, 0), twoLabels, 'images: an IDX file of images begins with 16 bytes'],
  ['none', idx([0, 2, 3], []), idx([0], []), 'images: holds 0 images of 3 × 2 pixels'],
  ['fewer labels', twoImages, idx([1], [7]), 'labels: 1 labels for the 2 images of images'],
  ['damaged gzip', gzipSync(twoImages).subarray(0, 20), twoLabels, 'images: cannot be unpacked'],
  ['sizes beyond memory', idx([2 ** 31, 2 ** 31, 1], []), twoLabels, 'bytes, found 16'],
])('%s: one clear line', async (_, images, labels, message) => {
  const opened = mnistDataset(named('images', images), named('labels', labels));
  await expect(opened).rejects.toMatchObject({
    name: 'UserError',
    message: expect.stringContaining(message),
  });
});

/** A record of CIFAR-10: red begins at `seed`, green at seed + 1, blue at seed + 2, and pixel p is p % 100 above. */
function record(label: number, seed: number): number[] {
  const plane = (level: number) => Array.from({ length: 1024 }, (_, p) => level + (p % 100));
  return [label, ...plane(seed), ...plane(seed + 1), ...plane(seed + 2)];
}

test('CIFAR-10 files give interleaved images, in the order of the files', async () => {
  const files = [
    named('1.bin', Uint8Array.from([...record(3, 10), ...record(9, 20)])),
    named('2.bin', Uint8Array.from(record(0, 30))),
  ];
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
  const set = cifar10Dataset(
    files,
    named('batches.meta.txt', new TextEncoder().encode(`${names.join('\n')}\n\n`)),
  );
  expect([set.length, [...set.labels], set.classNames]).toEqual([3, [3, 9, 0], names]);
  const { data, width, height } = await set.read(2);
  expect([width, height]).toEqual([32, 32]);
  expect([...data.subarray(3 * 37, 3 * 37 + 3)]).toEqual([67, 68, 69]);
  expect([set.describe(1), set.describe(2)]).toEqual(['1.bin, image 1', '2.bin, image 0']);
});

test.each([
  [
    'cut',
    record(1, 1).slice(0, -1),
    'a.bin: a CIFAR-10 binary file has a multiple of 3073 bytes, found 3072',
  ],
  ['empty', [], 'found 0'],
  ['CIFAR-100', record(77, 1), 'a.bin: the label of image 0 is 77, expected 0 to 9'],
])('CIFAR-10, %s: one clear line', (_, bytes, message) => {
  expect(() => cifar10Dataset([named('a.bin', Uint8Array.from(bytes))])).toThrow(message);
});

test.each(['\r', '\r\n', '\n'])('class names with lines that end in %j', (end) => {
  const names = Array.from({ length: 10 }, (_, i) => `class ${i}`);
  const meta = named('batches.meta.txt', new TextEncoder().encode(`\ufeff${names.join(end)}${end}`));
  const file = named('a.bin', Uint8Array.from(record(1, 1)));
  expect(cifar10Dataset([file], meta).classNames).toEqual(names);
});

test('class names that are not ten are refused', () => {
  const meta = named('batches.meta.txt', new TextEncoder().encode('cat\ndog\n'));
  expect(() => cifar10Dataset([named('a.bin', Uint8Array.from(record(1, 1)))], meta)).toThrow('found 2');
});
