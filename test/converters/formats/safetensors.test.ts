import { expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../../converters/formats/index.js';
import { floats, joinBytes, raw, safetensorsFile, u64 } from './builders.js';
import { parseOutcome } from './outcome.js';

const entry = { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] };

test('tensors in any order, padded headers and empty tensors are read', async () => {
  const header = {
    b: { dtype: 'F32', shape: [2], data_offsets: [16, 24] },
    empty: { dtype: 'I64', shape: [0, 4], data_offsets: [16, 16] },
    a: { dtype: 'F32', shape: [4], data_offsets: [0, 16] },
  };
  const { tensors } = await parseCheckpoint(safetensorsFile(`${JSON.stringify(header)}    `));
  expect([...(await tensors.get('b')!.read())]).toEqual([4, 5]);
  expect([...(await tensors.get('empty')!.read())]).toEqual([]);
});

test.each<[string, unknown, RegExp]>([
  [
    'an unknown dtype',
    { w: { ...entry, dtype: 'F4' } },
    /tensor "w" cannot be read: its dtype F4 is not read/,
  ],
  [
    'no dtype at all',
    { w: { ...entry, dtype: 'f32; rm' } },
    /"w": expected a dtype of F64, .* found "f32; rm"/,
  ],
  [
    'offsets of an unknown dtype in reverse',
    { w: { ...entry, dtype: 'F4', data_offsets: [24, 0] } },
    /give -24/,
  ],
  ['a dtype that is no string', { w: { ...entry, dtype: ['F32'] } }, /found something else/],
  ['an entry that is no object', { w: [1] }, /"w": expected a dtype/],
  ['a negative size', { w: { ...entry, shape: [-2, 3] } }, /whole numbers/],
  ['a size that is no number', { w: { ...entry, shape: ['2', 3] } }, /whole numbers/],
  ['sizes beyond 2^53', { w: { ...entry, shape: [2 ** 60] } }, /whole numbers/],
  [
    'a product beyond 2^53',
    { w: { ...entry, shape: [2 ** 50, 2 ** 50] } },
    /takes \S+ bytes, but data_offsets give 24/,
  ],
  ['65 dimensions', { w: { ...entry, shape: [2, 3, ...Array(63).fill(1)] } }, /up to 64/],
  ['no shape', { w: { dtype: 'F32', data_offsets: [0, 24] } }, /expected a shape/],
  ['three offsets', { w: { ...entry, data_offsets: [0, 24, 24] } }, /two whole numbers/],
  ['offsets in reverse', { w: { ...entry, data_offsets: [24, 0] } }, /give -24/],
  ['a shape of other size', { w: { ...entry, shape: [5] } }, /takes 20 bytes, but data_offsets give 24/],
  ['a hole', { w: { dtype: 'F32', shape: [5], data_offsets: [4, 24] } }, /leaves a hole before it/],
  ['an overlap', { v: entry, w: entry }, /overlaps the tensor before it/],
  [
    'bytes left over',
    { w: { dtype: 'F32', shape: [5], data_offsets: [0, 20] } },
    /take 20 bytes, but the file has 24/,
  ],
  [
    'tensors beyond the file',
    { w: { dtype: 'F32', shape: [7], data_offsets: [0, 28] } },
    /take 28 bytes, but the file has 24/,
  ],
  [
    'metadata that are no strings',
    { __metadata__: { a: 1 }, w: entry },
    /expected a string in __metadata__ "a"/,
  ],
  ['metadata that are no object', { __metadata__: 'pt', w: entry }, /expected strings in __metadata__/],
  ['text that is no JSON', '{"w": ', /not JSON/],
])('%s: refused', async (_name, header, message) => {
  expect(await parseOutcome(safetensorsFile(header))).toMatch(message);
});

test('a header beyond the limit, the file or UTF-8 is refused', async () => {
  expect(await parseOutcome(joinBytes(raw(`${u64(2 ** 40)}{"`), floats(6)))).toMatch(
    /header has 1099511627776 bytes/,
  );
  expect(await parseOutcome(joinBytes(raw(`${u64(1000)}{"`), floats(6)))).toMatch(
    /expected 1000 bytes at byte 8/,
  );
  expect(await parseOutcome(raw(`${u64(5)}{"\xff"}`))).toMatch(/not JSON in UTF-8/);
});

test('a file cut at any byte is an error', async () => {
  const whole = safetensorsFile({ w: entry });
  expect(await parseOutcome(whole)).toBeUndefined();
  for (let length = 0; length < whole.length; length++) {
    expect(await parseOutcome(whole.slice(0, length))).toMatch(/^case\.pth: /);
  }
});

test('a tensor named __proto__ is a tensor', async () => {
  const { tensors } = await parseCheckpoint(safetensorsFile(`{"__proto__": ${JSON.stringify(entry)}}`));
  expect([...tensors.keys()]).toEqual(['__proto__']);
});
