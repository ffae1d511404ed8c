import { expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../../../converters/formats/index.js';
import { floats, legacyCheckpoint, stateDictPickle } from '../builders.js';
import { parseOutcome } from '../outcome.js';

test.each([
  ['another count before the storage', { count: 5 }, /announced with 6 elements, but has 5/],
  ['a negative count', { count: -1 }, /announced with 6 elements, but has -1/],
  ['a key of no tensor', { keys: ['0', '1'] }, /"1" belongs to no tensor/],
  ['a key twice', { keys: ['0', '0'] }, /"0" comes twice/],
  ['a storage without its key', { keys: [] }, /"0" is not in the list/],
])('%s is refused', async (_name, parts, message) => {
  expect(await parseOutcome(legacyCheckpoint(stateDictPickle(), floats(6), parts))).toMatch(message);
});

// torch/csrc/serialization.cpp writes storages in little-endian order on every machine, and torch.load does not ask.
test('a file of a big-endian machine has the same storages', async () => {
  const { tensors } = await parseCheckpoint(
    legacyCheckpoint(stateDictPickle(), floats(6), { littleEndian: false }),
  );
  expect([...(await tensors.get('w')!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
});

test('storages cut short are told with the byte at which the file should end', async () => {
  const whole = legacyCheckpoint(stateDictPickle());
  expect(await parseOutcome(whole.slice(0, -3))).toMatch(
    new RegExp(`should end at byte ${whole.length}, but the file ends at byte ${whole.length - 3}`),
  );
});
