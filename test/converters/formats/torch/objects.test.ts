import { expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../../../converters/formats/index.js';
import {
  floats,
  legacyCheckpoint,
  op,
  stateDictPickle,
  type TensorParts,
  tensorPickle,
  zipCheckpoint,
} from '../builders.js';
import { parseOutcome } from '../outcome.js';

async function values(parts: TensorParts, storage = floats(6)): Promise<number[]> {
  const { tensors } = await parseCheckpoint(zipCheckpoint(stateDictPickle(parts), storage));
  return [...(await tensors.get('w')!.read())];
}

test('a tensor is read by its offset and strides', async () => {
  expect(await values({ shape: [3, 2], stride: [1, 3] })).toEqual([0, 3, 1, 4, 2, 5]);
  expect(await values({ shape: [2], stride: [0], offset: 5 })).toEqual([5, 5]);
  expect(await values({ shape: [], stride: [], offset: 2 })).toEqual([2]);
  expect(await values({ shape: [0, 9], stride: [9, 1], offset: 6 })).toEqual([]);
});

test('a storage view of a legacy file shifts its tensors', async () => {
  const pickle = stateDictPickle({ shape: [2], stride: [1], offset: 1, view: ['v', 3, 3] });
  const { tensors } = await parseCheckpoint(legacyCheckpoint(pickle));
  expect([...(await tensors.get('w')!.read())]).toEqual([4, 5]);
});

test.each<[string, TensorParts, RegExp]>([
  ['an offset beyond the storage', { offset: 1 }, /reaches element 7 of storage "0", which has 6/],
  ['a stride beyond it', { stride: [4, 1] }, /reaches element 7/],
  ['a shape beyond it', { shape: [3, 3] }, /reaches element 9/],
  ['an empty tensor beyond it', { shape: [0], stride: [1], offset: 7 }, /reaches element 7/],
  ['a negative offset', { offset: -1 }, /offset of a tensor should be a whole number .* found -1/],
  ['a negative size', { shape: [-2, 3] }, /shape of a tensor/],
  ['a negative stride', { stride: [-3, 1] }, /strides of a tensor/],
  [
    'a size beyond 2^53',
    { shape: [2 ** 62, 3], stride: [0, 0] },
    /shape of a tensor .* found 4611686018427387904/,
  ],
  ['a product beyond 2^53', { shape: [2 ** 50, 2 ** 50], stride: [0, 0] }, /repeats the 6 elements/],
  ['10^12 repeated elements', { shape: [1e6, 1e6], stride: [0, 0] }, /at most 16777216 are read/],
  ['65 dimensions', { shape: Array(65).fill(1), stride: Array(65).fill(1) }, /65 dimensions; at most 64/],
  ['fewer strides than dimensions', { stride: [1] }, /2 dimensions has 1 strides/],
  ['a negative storage', { elements: -6 }, /elements of a storage/],
  [
    'a storage beyond its entry',
    { elements: 7 },
    /7 elements of float32, 28 bytes, but its zip entry has 24/,
  ],
  ['a storage beyond 2^53', { elements: 2 ** 60 }, /elements of a storage/],
  ['a storage that is not there', { key: '1' }, /"a\/data\/1" is missing/],
  [
    'a storage whose key climbs',
    { key: '../../etc/passwd' },
    /"a\/data\/\.\.\/\.\.\/etc\/passwd" is missing/,
  ],
  ['an unknown storage type', { type: 'OddStorage' }, /expected the persistent id of a storage/],
  [
    'a storage shorter than its entry',
    { elements: 5, shape: [5], stride: [1] },
    /20 bytes, but its zip entry has 24/,
  ],
  ['a view beyond its storage', { view: ['v', 4, 3] }, /view of storage "0" reaches beyond its 6 elements/],
])('%s is refused', async (_name, parts, message) => {
  expect(await parseOutcome(zipCheckpoint(stateDictPickle(parts)))).toMatch(message);
});

test('one key named as two storages is refused', async () => {
  const two = op.dict(op.text('a'), tensorPickle(), op.text('b'), tensorPickle({ type: 'IntStorage' }));
  expect(await parseOutcome(zipCheckpoint(`${op.start}${two}.`))).toMatch(
    /as 6 elements of float32 and as 6 of int32/,
  );
});

test('views that together repeat a small file too often are refused', async () => {
  const repeated = tensorPickle({ shape: [2 ** 23], stride: [0] });
  const names = ['a', 'b', 'c'].map((name) => `${op.text(name)}${repeated}`);
  expect(await parseOutcome(zipCheckpoint(`${op.start}${op.dict(...names)}.`))).toMatch(
    /25165824 elements over 24 bytes/,
  );
});

test('of two tensors of one path neither is read, rather than one of them lost', async () => {
  const inner = op.dict(op.text('b'), tensorPickle());
  const both = op.dict(op.text('a'), inner, op.text('a.b'), tensorPickle());
  expect(await parseOutcome(zipCheckpoint(`${op.start}${both}.`))).toMatch(
    /"a\.b" cannot be read: two tensors have this path/,
  );
});

test('an OrderedDict as Python 2 wrote it, a list of pairs, is read', async () => {
  const pairs = op.list(op.list(op.text('w'), tensorPickle()), op.list(op.text('n'), op.int(3)));
  const { tensors, metadata } = await parseCheckpoint(
    zipCheckpoint(`${op.start}${op.call('collections', 'OrderedDict', pairs)}.`),
  );
  expect([...tensors.keys()]).toEqual(['w']);
  expect({ ...metadata }).toEqual({ n: 3 });
});

test('a value that holds itself is walked once', async () => {
  const itself = `]q\x00h\x00a${op.dict(op.text('w'), tensorPickle())}a`;
  const { tensors } = await parseCheckpoint(zipCheckpoint(`${op.start}${itself}.`));
  expect([...tensors.keys()]).toEqual(['1.w']);
});

test('values within each other, more than 100 deep, are refused', async () => {
  const nested = `${']'.repeat(102)}${'a'.repeat(101)}`;
  expect(await parseOutcome(zipCheckpoint(`${op.start}${nested}.`))).toMatch(/nests more than 100 deep/);
});
