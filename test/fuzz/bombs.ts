import { deflateRawSync } from 'node:zlib';
import {
  joinBytes,
  legacyCheckpoint,
  op,
  raw,
  safetensorsFile,
  tensorPickle,
  u16,
  u32,
  u64,
  zipCheckpoint,
  zipFile,
} from '../converters/formats/builders.js';

/** Just under what a pickle may hold; see MAX_PICKLE_BYTES and MAX_PICKLE_OPCODES. */
const MOST_BYTES = 2 ** 25 - 64;
const MOST_OPCODES = 1_000_000 - 64;

/** `piece` so often that one of the limits is nearly reached, put together in C speed. */
function repeated(before: string, piece: string, opcodes: number, after: string): Uint8Array {
  const times = Math.min(Math.floor(MOST_OPCODES / opcodes), Math.floor(MOST_BYTES / piece.length));
  return joinBytes(raw(op.start + before), raw(piece.repeat(times)), raw(`${after}.`));
}

function zipOf(pickle: Uint8Array): Uint8Array {
  return zipFile([
    ['a/data.pkl', pickle],
    ['a/data/0', new Uint8Array(24)],
  ]);
}

/** A list of `count` times the same piece, kept in memo 0. */
function longList(count: number, piece: string): string {
  return `](${piece.repeat(count)}eq\x00`;
}

export type Bomb = readonly [name: string, make: () => Uint8Array];

/** Small files that ask for much. */
export const SMALL_BOMBS: readonly Bomb[] = [
  [
    'a list that holds itself twice, 30 times over',
    () => zipOf(raw(`${op.start}]q\x00${'0](h\x00h\x00eq\x00'.repeat(30)}.`)),
  ],
  [
    'the same as a dict key',
    () => zipOf(raw(`${op.start}]q\x00${'0](h\x00h\x00eq\x00'.repeat(30)}}h\x00Ns.`)),
  ],
  [
    'a tensor that repeats one element 16 million times',
    () => zipCheckpoint(`${op.start}${tensorPickle({ shape: [2 ** 12, 2 ** 12], stride: [0, 0] })}.`),
  ],
  [
    'as much in legs of one element',
    () => legacyCheckpoint(`${op.start}${tensorPickle({ shape: [2 ** 23, 2], stride: [0, 1] })}.`),
  ],
  [
    '16 MB of zeros, deflated',
    () => {
      const bytes = new Uint8Array(16 * 2 ** 20);
      const stored = new Uint8Array(deflateRawSync(bytes));
      const pickle = `${op.start}${tensorPickle({ type: 'BoolStorage', elements: bytes.length, shape: [bytes.length], stride: [1] })}.`;
      return zipCheckpoint(pickle, bytes, { 'a/data/0': { method: 8, stored } });
    },
  ],
  [
    'a gigabyte of zeros, deflated',
    () => {
      const stored = new Uint8Array(deflateRawSync(new Uint8Array(2 ** 26)));
      return zipCheckpoint(`${op.start}${tensorPickle()}.`, new Uint8Array(24), {
        'a/data/0': { method: 8, stored, size: 2 ** 30 },
      });
    },
  ],
  [
    'zip64: 2^60 entries',
    () => {
      const record = `PK\x06\x06${u64(44)}\x2d\0\x2d\0${u32(0)}${u32(0)}${u64(2 ** 60)}${u64(2 ** 60)}${u64(0)}${u64(0)}`;
      return raw(
        `PK\x03\x04${record}PK\x06\x07${u32(0)}${u64(4)}${u32(1)}PK\x05\x06${u32(0)}\xff\xff\xff\xff${u32(0)}${u32(0xffffffff)}\0\0`,
      );
    },
  ],
  [
    'zip64: a directory of 2^60 bytes',
    () => {
      const record = `PK\x06\x06${u64(44)}\x2d\0\x2d\0${u32(0)}${u32(0)}${u64(1)}${u64(1)}${u64(2 ** 60)}${u64(0)}`;
      return raw(
        `PK\x03\x04${record}PK\x06\x07${u32(0)}${u64(4)}${u32(1)}PK\x05\x06${u32(0)}\xff\xff\xff\xff${u32(0)}${u32(0xffffffff)}\0\0`,
      );
    },
  ],
];

/** Files that fill what their format's limits allow with whatever costs most. */
export const LARGE_BOMBS: readonly Bomb[] = [
  ['a million empty dicts', () => zipOf(repeated('(', '}', 1, 'l'))],
  ['a million empty lists', () => zipOf(repeated('(', ']', 1, 'l'))],
  ['a million sets', () => zipOf(repeated('(', '\x8f', 1, 'l'))],
  ['250,000 dicts of one entry', () => zipOf(repeated('(', '}NNs', 4, 'l'))],
  ['140,000 sets with an item, an entry and a state', () => zipOf(repeated('(', '\x8fNaNNsNb', 8, 'l'))],
  ['a million marks', () => zipOf(repeated('', '(', 1, ''))],
  ['a million memo entries', () => zipOf(repeated('N', '\x94', 1, ''))],
  ['a million doubles', () => zipOf(repeated('(', 'G\x3f\xf0\0\0\0\0\0\x01', 1, 'l'))],
  ['a million short strings', () => zipOf(repeated('(', 'U\x03abc', 1, 'l'))],
  ['strings of 63 characters', () => zipOf(repeated('(', `U\x3f${'s'.repeat(63)}`, 1, 'l'))],
  [
    'strings of 200 characters beyond ASCII',
    () => zipOf(repeated('(', `U\xc8${'\xc3\xa9'.repeat(100)}`, 1, 'l')),
  ],
  ['one string of 32 MB', () => zipOf(raw(`${op.start}X${u32(MOST_BYTES)}${'x'.repeat(MOST_BYTES)}.`))],
  ['one line of 32 MB', () => zipOf(raw(`V${'\\u0041'.repeat(MOST_BYTES / 6 - 1)}\n.`))],
  ['one quoted line of 32 MB', () => zipOf(raw(`S'${'\\x41'.repeat(MOST_BYTES / 4 - 2)}'\n.`))],
  ['wide numbers', () => zipOf(repeated('(', `\x8a\x20${'\x7f'.repeat(32)}`, 1, 'l'))],
  ['wide decimal numbers', () => zipOf(repeated('(', `L${'7'.repeat(75)}L\n`, 1, 'l'))],
  [
    '490,000 lists within each other',
    () => zipOf(raw(`${op.start}${']'.repeat(490_000)}${'a'.repeat(489_999)}.`)),
  ],
  ['a million tuples within each other', () => zipOf(repeated('N', '\x85', 1, ''))],
  [
    'one list of pairs, 100,000 OrderedDicts of it',
    () => {
      const pairs = longList(100_000, 'NN\x86');
      return zipOf(repeated(`${pairs}0(`, 'ccollections\nOrderedDict\nh\x00\x85R', 4, 'l'));
    },
  ],
  [
    'one long tuple, 260,000 Namespaces of it',
    () => {
      const tuple = `(${'N'.repeat(200_000)}tq\x00`;
      return zipOf(repeated(`${tuple}0(`, 'cargparse\nNamespace\nh\x00\x81', 3, 'l'));
    },
  ],
  [
    'one tensor under a million long names',
    () => {
      const tensor = `${tensorPickle()}q\x05`;
      const inner = `(${`${op.text('k'.repeat(900))}h\x05`}d`;
      return zipOf(raw(`${op.start}${tensor}0${inner}q\x010](${'h\x01'.repeat(950_000)}e.`));
    },
  ],
  [
    'a million tensors of one element',
    () => {
      const tensor = `${tensorPickle({ shape: [], stride: [] })}q\x05`;
      return zipOf(repeated(`${tensor}0(`, 'h\x05', 1, 'l'));
    },
  ],
  [
    'storages without end',
    () => {
      const ids = Array.from({ length: 50_000 }, (_, i) =>
        tensorPickle({ key: String(i), elements: 0, shape: [0], stride: [1] }),
      );
      return zipOf(raw(`${op.start}(${ids.join('')}l.`));
    },
  ],
  ['a million GLOBALs', () => zipOf(repeated('(', 'ctorch\nSize\n', 1, 'l'))],
  [
    'a million names that nothing knows',
    () => {
      const names = Array.from({ length: 300_000 }, (_, i) => op.global('m', `n${i}`));
      return zipOf(raw(`${op.start}(${names.join('')}l.`));
    },
  ],
  ['300,000 calls of a name that nothing knows', () => zipOf(repeated('cm\nN\nq\x000(', 'h\x00)R', 3, 'l'))],
  [
    'objects that hold all objects before them',
    () => {
      const link = 'h\x00)\x81h\x02b';
      return zipOf(
        raw(
          `${op.start}cm\nN\nq\x000]q\x010}${op.text('all')}h\x01sq\x020h\x01(${`${link}`.repeat(180_000)}e.`,
        ),
      );
    },
  ],
  ['lone surrogates', () => zipOf(repeated('(', `U\xc8${'\xed\xa0\x80'.repeat(66)}ab`, 1, 'l'))],
  ['metadata of 16,000 long texts', () => zipOf(repeated('(', `X${u32(2000)}${'x'.repeat(2000)}`, 1, 'l'))],
  [
    'a .npz of 1,024 compressed arrays',
    () => {
      const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }".padEnd(16_000);
      const array = raw(`\x93NUMPY\x01\0${u16(header.length)}${header}`);
      const stored = new Uint8Array(deflateRawSync(array));
      const names = Array.from({ length: 1024 }, (_, i) => `${i}.npy`);
      const lies = Object.fromEntries(names.map((name) => [name, { method: 8, stored }]));
      return zipFile(
        names.map((name) => [name, array] as const),
        lies,
      );
    },
  ],
  [
    'a .npz of 60,000 arrays',
    () => zipFile(Array.from({ length: 60_000 }, (_, i) => [`${i}.npy`, new Uint8Array(0)] as const)),
  ],
  [
    'a deflated pickle of 31 MB',
    () => {
      const bytes = raw(`${op.start}(${'}'.repeat(990_000)}l0X${u32(3e7)}${'x'.repeat(3e7)}.`);
      const stored = new Uint8Array(deflateRawSync(bytes));
      return zipFile([['a/data.pkl', bytes]], { 'a/data.pkl': { method: 8, stored } });
    },
  ],
  [
    'a zip directory of 60,000 entries',
    () => zipFile(Array.from({ length: 60_000 }, (_, i) => [`a/${i}`, new Uint8Array(0)] as const)),
  ],
  [
    'a safetensors header of a million lists within each other',
    () => safetensorsFile(`{"w":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`),
  ],
  ['of 690,000 lists', () => safetensorsFile(`{"w":[${'[],'.repeat(690_000)}[]]}`)],
  ['of 255,000 objects', () => safetensorsFile(`{"w":[${'{"a":0},'.repeat(255_000)}0]}`)],
  [
    'of 36,000 tensors',
    () => {
      const entries = Array.from(
        { length: 36_000 },
        (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
      );
      return safetensorsFile(`{${entries.join(',')}}`, new Uint8Array(0));
    },
  ],
  [
    'of a shape of a million sizes',
    () => safetensorsFile(`{"w":{"dtype":"F32","data_offsets":[0,24],"shape":[${'1,'.repeat(1_000_000)}1]}}`),
  ],
];
