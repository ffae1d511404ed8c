import { deflateRawSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../../converters/formats/index.js';
import {
  floats,
  joinBytes,
  op,
  raw,
  stateDictPickle,
  u16,
  u32,
  u64,
  type ZipLies,
  zipCheckpoint,
  zipFile,
} from './builders.js';
import { parseOutcome } from './outcome.js';

const pickle = stateDictPickle();

test('deflated entries are read', async () => {
  const lies = {
    'a/data/0': { method: 8, stored: new Uint8Array(deflateRawSync(floats(6))) },
    'a/data.pkl': { method: 8, stored: new Uint8Array(deflateRawSync(raw(pickle))) },
  };
  const { tensors } = await parseCheckpoint(zipCheckpoint(pickle, floats(6), lies));
  expect([...(await tensors.get('w')!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
});

test.each<[string, Record<string, ZipLies>, RegExp]>([
  [
    'swapped entries',
    { 'a/data/0': { offset: 0 } },
    /has "a\/data\/0" at byte 0, but its header is not there/,
  ],
  ['an entry beyond the file', { 'a/data/0': { size: 2 ** 30 } }, /expected 1073741824 bytes at byte \d+/],
  ['a header beyond the file', { 'a/data/0': { offset: 2 ** 30 } }, /expected 38 bytes at byte 1073741824/],
  ['zip64 sizes without their field', { 'a/data/0': { size: 2 ** 32 - 1 } }, /zip64/],
  [
    'an encrypted entry',
    { 'a/data/0': { flags: 1 } },
    /: an encrypted zip archive; unpack it with its password/,
  ],
  ['an encrypted entry without its header', { 'a/data/0': { flags: 1 } }, /: an encrypted zip archive/],
  ['an entry encrypted strongly', { 'a/data/0': { flags: 0x41 } }, /: an encrypted zip archive; unpack it/],
  ['an unknown compression', { 'a/data/0': { method: 12, stored: floats(6) } }, /compressed by method 12/],
  [
    'deflated data that are none',
    { 'a/data/0': { method: 8, stored: raw('\xff\xff\xff') } },
    /cannot be read/,
  ],
  [
    'an entry that inflates to more than it says',
    { 'a/data/0': { method: 8, stored: new Uint8Array(deflateRawSync(floats(1000))) } },
    /exceeds limit/,
  ],
  [
    'an entry that inflates to less',
    { 'a/data/0': { method: 8, stored: new Uint8Array(deflateRawSync(floats(5))) } },
    /size mismatch/,
  ],
  [
    'a bomb',
    { 'a/data/0': { method: 8, stored: raw('\x03\x00'), size: 2 ** 31 } },
    /inflates to 2147483648 bytes/,
  ],
])('%s: refused', async (_name, lies, message) => {
  expect(await parseOutcome(zipCheckpoint(pickle, floats(6), lies))).toMatch(message);
});

test('entries that overlap are refused', async () => {
  const inner = zipFile([['a/data/0', floats(6)]]);
  const outer = joinBytes(raw(pickle), inner);
  const bytes = zipFile(
    [
      ['a/data.pkl', outer],
      ['a/data/0', floats(6)],
    ],
    { 'a/data/0': { offset: 30 + 'a/data.pkl'.length + pickle.length } },
  );
  expect(await parseOutcome(bytes)).toMatch(/"a\/data\.pkl" and "a\/data\/0" overlap/);
});

test('two entries of one name are refused', async () => {
  const bytes = zipFile([
    ['a/data.pkl', raw(pickle)],
    ['a/data/0', floats(6)],
    ['a/data/0', floats(6)],
  ]);
  expect(await parseOutcome(bytes)).toMatch(/two zip entries are named "a\/data\/0"/);
});

test.each<[string, [string, Uint8Array][], RegExp]>([
  [
    'no data.pkl',
    [['word/document.xml', raw('<x/>')]],
    /without data\.pkl \(it holds "word\/document\.xml"\)/,
  ],
  ...(
    [
      [
        'another checkpoint',
        ['one/data.pkl', 'two/data.pkl'],
        /two checkpoints, "one\/data\.pkl" and "two\/data\.pkl"/,
      ],
      [
        'a zipped checkpoint',
        ['__MACOSX/._deit.pth', 'deit.pth'],
        /a zip archive around "deit\.pth"; unpack it/,
      ],
      [
        'a zipped folder of Hugging Face',
        ['m/config.json', 'm/model.safetensors'],
        /around "m\/model\.safetensors"/,
      ],
      [
        'a zipped converted folder',
        ['m/model.json', 'm/group1-shard1of1.bin'],
        /around a converted folder \(model\.json\); unpack it/,
      ],
      ['a Keras model', ['config.json', 'model.weights.h5'], /a Keras model/],
      ['a SavedModel', ['m/saved_model.pb', 'm/variables/variables.index'], /SavedModel/],
      ['a Core ML model', ['m.mlpackage/Manifest.json'], /Core ML/],
      ['an ONNX model', ['m.onnx'], /ONNX/],
      ['a program of torch.export', ['m/archive_format', 'm/models/model.json'], /torch\.export/],
    ] as [string, string[], RegExp][]
  ).map(([what, names, message]): [string, [string, Uint8Array][], RegExp] => [
    what,
    names.map((name) => [name, raw('x')]),
    message,
  ]),
  ['no entries', [], /without data\.pkl \(it holds nothing\)/],
  [
    'TorchScript',
    [
      ['m/data.pkl', raw(pickle)],
      ['m/constants.pkl', raw('.')],
    ],
    /found a TorchScript program/,
  ],
  [
    'a byte order that is none',
    [
      ['m/data.pkl', raw(pickle)],
      ['m/byteorder', raw('middle')],
    ],
    /expected "little" or "big", found "middle"/,
  ],
  [
    'version 99',
    [
      ['m/data.pkl', raw(pickle)],
      ['m/version', raw('99')],
    ],
    /version 1 to 10, found "99"/,
  ],
  ['an empty pickle', [['m/data.pkl', raw('')]], /m\/data\.pkl, byte 0: the pickle is cut short/],
])('an archive with %s is refused', async (_name, entries, message) => {
  expect(await parseOutcome(zipFile(entries))).toMatch(message);
});

test('zeros after the archive, to a whole block, are passed over; anything else is not', async () => {
  const archive = zipCheckpoint(pickle);
  const { tensors } = await parseCheckpoint(joinBytes(archive, new Uint8Array(4096)));
  expect([...(await tensors.get('w')!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await parseOutcome(joinBytes(archive, raw('junk\0\0')))).toMatch(/invalid comment length/);
});

test('an archive without byteorder and version, as old PyTorch wrote, is read', async () => {
  const { tensors } = await parseCheckpoint(
    zipFile([['archive/data.pkl', raw(`${op.start}${op.dict(op.text('n'), op.int(1))}.`)]]),
  );
  expect(tensors.size).toBe(0);
});

/** The same archive as files above 4 GB are written: sizes, offsets and counts in zip64's 8-byte fields. */
function asZip64(archive: Uint8Array): Uint8Array {
  const view = new DataView(archive.buffer);
  const end = archive.length - 22;
  const count = view.getUint16(end + 10, true);
  const start = view.getUint32(end + 16, true);
  const lines: Uint8Array[] = [];
  for (let at = start, i = 0; i < count; i++) {
    const length = 46 + view.getUint16(at + 28, true);
    const line = archive.slice(at, at + length);
    const extra = `\x01\x00${u16(24)}${u64(view.getUint32(at + 24, true))}${u64(view.getUint32(at + 20, true))}${u64(view.getUint32(at + 42, true))}`;
    line.set(raw('\xff'.repeat(8)), 20);
    line.set(raw(u16(extra.length)), 30);
    line.set(raw('\xff'.repeat(4)), 42);
    lines.push(line, raw(extra));
    at += length;
  }
  const directory = joinBytes(...lines);
  const record = `PK\x06\x06${u64(44)}${u16(45)}${u16(45)}${u32(0)}${u32(0)}${u64(count)}${u64(count)}${u64(directory.length)}${u64(start)}`;
  const locator = `PK\x06\x07${u32(0)}${u64(start + directory.length)}${u32(1)}`;
  const tail = `PK\x05\x06${u32(0)}${'\xff'.repeat(12)}${u16(0)}`;
  return joinBytes(archive.subarray(0, start), directory, raw(record + locator + tail));
}

test('zip64 archives are read', async () => {
  const { tensors } = await parseCheckpoint(asZip64(zipCheckpoint(pickle)));
  expect([...(await tensors.get('w')!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
});
