import { expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../../converters/formats/index.js';
import { floats, joinBytes, raw, u16, u32, zipFile } from './builders.js';
import { parseOutcome } from './outcome.js';

// What NumPy itself writes stands in oddCheckpoints.test.ts; here are arrays that lie.

function npy(header: string, data: Uint8Array = floats(6), version = 1): Uint8Array {
  const length = version === 1 ? u16(header.length) : u32(header.length);
  return joinBytes(raw(`\x93NUMPY${String.fromCharCode(version)}\0${length}${header}`), data);
}

const SOUND = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

const npz = (array: Uint8Array) => zipFile([['w.npy', array]]);

test('the header is read whatever its spaces and order', async () => {
  const header = "{'shape': (3L, 2L,), 'fortran_order': True, 'descr': '=f4'}\n";
  const { tensors, format } = await parseCheckpoint(npz(npy(header)));
  expect([format, tensors.get('w')!.shape, ...(await tensors.get('w')!.read())]).toEqual([
    'npz',
    [3, 2],
    ...[0, 3, 1, 4, 2, 5],
  ]);
});

test.each<[string, Uint8Array, RegExp]>([
  ['no array', raw('hello, no array'), /"w\.npy": expected a NumPy array of version 1 to 3/],
  ['an empty entry', raw(''), /expected a NumPy array/],
  ['version 4', npy(SOUND, floats(6), 4), /version 1 to 3/],
  ['a header of 60 kB', npy(SOUND.padEnd(60_000)), /NumPy header has 60010 bytes; at most 16384/],
  ['a header of 4 GB', raw(`\x93NUMPY\x02\0${u32(2 ** 32 - 1)}`), /header has 4294967307 bytes/],
  ['a header beyond its entry', raw(`\x93NUMPY\x01\0${u16(5000)}${SOUND}`), /cut short/],
  [
    'a call in the header',
    npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (2, 3)}"),
    /expected a NumPy header/,
  ],
  ['no shape', npy("{'descr': '<f4', 'fortran_order': False}"), /expected a NumPy header/],
  ['a negative size', npy(SOUND.replace('2,', '-2,')), /expected a NumPy header/],
  ['a size beyond 2^53', npy(SOUND.replace('2,', '99999999999999999999,')), /expected a NumPy header/],
  ['65 dimensions', npy(SOUND.replace('2,', '1,'.repeat(64))), /expected a NumPy header/],
  ['fewer bytes than its shape', npy(SOUND, floats(5)), /\[2,3\] and float32 takes 24 bytes, but has 20/],
  ['more bytes than its shape', npy(SOUND, floats(7)), /takes 24 bytes, but has 28/],
  [
    'a product beyond 2^53',
    npy(SOUND.replace('2,', '9007199254740991, 9007199254740991,')),
    /takes .* bytes, but has 24/,
  ],
  [
    'objects',
    npy(SOUND.replace('<f4', '|O')),
    /tensor "w" cannot be read: it holds Python objects, which are pickled/,
  ],
  [
    'structures',
    npy(SOUND.replace("'<f4'", "[('a', '<f4'), ('b', '<f4')]")),
    /tensor "w" cannot be read: its dtype is not read/,
  ],
])('%s: refused', async (_name, array, message) => {
  expect(await parseOutcome(npz(array))).toMatch(message);
});

test('an archive of arrays and other files is not taken for .npz', async () => {
  const bytes = zipFile([
    ['w.npy', npy(SOUND)],
    ['x.txt', raw('x')],
  ]);
  expect(await parseOutcome(bytes)).toMatch(/without data\.pkl \(it holds "w\.npy", "x\.txt"\)/);
});
