import { expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../../../converters/formats/index.js';
import { op, raw, tensorPickle, u32, zipFile } from '../builders.js';

/** Metadata of a checkpoint of one tensor and these entries, each a name and a value's pickle. */
async function metadataOf(...entries: [string, string][]) {
  const pairs = entries.flatMap(([name, value]) => [op.text(name), value]);
  const pickle = `${op.start}${op.dict(op.text('w'), tensorPickle(), ...pairs)}.`;
  const { metadata } = await parseCheckpoint(
    zipFile([
      ['a/data.pkl', raw(pickle)],
      ['a/data/0', new Uint8Array(24)],
    ]),
  );
  return metadata;
}

const numbers = (count: number) => `](${'K\x07'.repeat(count)}e`;
const longText = (length: number) => `X${u32(length)}${'x'.repeat(length)}`;

test('as many values are kept as the limit allows, the first ones', async () => {
  const metadata = await metadataOf(['first', op.int(1)], ['list', numbers(20_000)], ['last', op.int(2)]);
  expect(Object.keys(metadata)).toHaveLength(16_384);
  expect(metadata.first).toBe(1);
  expect(metadata.last).toBeUndefined();
});

test.each([
  'optimizer',
  'optimizer_states',
  'lr_schedulers',
  'scaler',
  'message_hub',
  'rng_state',
  'loops',
])('values of %s do not crowd out what comes after them', async (name) => {
  const metadata = await metadataOf(
    [name, numbers(20_000)],
    ['args', op.dict(op.text('num_heads'), op.int(6))],
  );
  expect(metadata['args.num_heads']).toBe(6);
  expect(Object.keys(metadata)).toHaveLength(2049);
});

test('texts of up to a million characters are kept, eight million in all', async () => {
  const texts = Array.from({ length: 9 }, (_, i): [string, string] => [`text${i}`, longText(1_000_000)]);
  const metadata = await metadataOf(['log', longText(1_100_000)], ...texts, ['epoch', op.int(3)]);
  expect(metadata.log).toBeUndefined();
  expect(Object.keys(metadata)).toEqual([...texts.slice(0, 8).map(([name]) => name), 'epoch']);
});

test('names of Object.prototype are names like any other', async () => {
  const polluted = op.dict(op.text('polluted'), '\x88');
  const metadata = await metadataOf(
    ['__proto__', polluted],
    ['constructor', polluted],
    ['toString', op.int(1)],
  );
  expect(Object.getPrototypeOf(metadata)).toBeNull();
  expect(Object.keys(metadata)).toEqual(['__proto__.polluted', 'constructor.polluted', 'toString']);
  expect('polluted' in {}).toBe(false);
});
