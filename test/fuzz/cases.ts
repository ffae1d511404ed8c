import fc from 'fast-check';
import { unzip } from 'unzipit';
import {
  floats,
  joinBytes,
  legacyCheckpoint,
  op,
  raw,
  safetensorsFile,
  type TensorParts,
  tensorPickle,
  u32,
  u64,
  type ZipLies,
  zipCheckpoint,
  zipFile,
} from '../converters/formats/builders.js';
import { fixtureBytes, fixtureNames, oddFixtures } from '../converters/formats/fixtures.js';
import { EDGES, edge, fraction, mutated } from './mutate.js';

/** One input for the readers, and the way it was made. */
export interface FuzzCase {
  readonly kind: 'bytes' | 'archive' | 'pickle' | 'header';
  readonly bytes: Uint8Array;
}

type Entries = readonly (readonly [string, Uint8Array])[];

/** All cases, of the four kinds; the same seed gives the same cases. */
export async function fuzzCases(): Promise<fc.Arbitrary<FuzzCase>> {
  const names = fixtureNames();
  const odd = oddFixtures();
  const corpus = [...names.map(fixtureBytes), ...odd.map(({ bytes }) => bytes)];
  const archives = await Promise.all(
    names.filter((name) => !/legacy|safetensors/.test(name)).map((name) => entriesOf(fixtureBytes(name))),
  );
  return fc.oneof(
    { weight: 4, arbitrary: mutated(fc.constantFrom(...corpus), corpus).map(asCase('bytes')) },
    { weight: 3, arbitrary: archive(archives).map(asCase('archive')) },
    { weight: 3, arbitrary: pickled().map(asCase('pickle')) },
    { weight: 1, arbitrary: header().map(asCase('header')) },
  );
}

function asCase(kind: FuzzCase['kind']): (bytes: Uint8Array) => FuzzCase {
  return (bytes) => ({ kind, bytes });
}

async function entriesOf(bytes: Uint8Array): Promise<Entries> {
  const { entries } = await unzip(bytes.slice());
  return Promise.all(
    Object.values(entries).map(
      async (entry) => [entry.name, new Uint8Array(await entry.arrayBuffer())] as const,
    ),
  );
}

/** A real archive with entries dropped, doubled, renamed, exchanged, mutated, or lied about in the directory. */
function archive(archives: readonly Entries[]): fc.Arbitrary<Uint8Array> {
  const lie: fc.Arbitrary<ZipLies> = fc.record(
    {
      size: edge,
      offset: fc.oneof(edge, fc.nat(6000)),
      method: fc.constantFrom(0, 8, 12),
      flags: fc.constantFrom(0, 1, 8, 0x40, 0x800),
      stored: fc.uint8Array({ maxLength: 40 }),
    },
    { requiredKeys: [] },
  );
  const change = fc.record({
    how: fc.constantFrom('drop', 'double', 'rename', 'exchange', 'lie', 'empty'),
    which: fc.nat(30),
    other: fc.nat(30),
    name: fc.constantFrom(
      '../../etc/passwd',
      '/data.pkl',
      'data.pkl',
      'x/data.pkl',
      '',
      '__proto__',
      'a/data/0',
      'a\nb',
    ),
    lie,
  });
  const changed = fc.constantFrom(...archives).chain((entries) => {
    const pickle = entries.find(([name]) => name.endsWith('data.pkl'))![1];
    const mutatedPickle = mutated(fc.constant(pickle), [pickle]);
    return fc.tuple(
      fc.constant(entries),
      fc.oneof(fc.constant(null), mutatedPickle),
      fc.array(change, { maxLength: 2 }),
    );
  });
  return changed.map(([entries, pickle, changes]) => {
    let list = entries.map(
      ([name, bytes]) => [name, name.endsWith('data.pkl') && pickle ? pickle : bytes] as const,
    );
    const lies: Record<string, ZipLies> = Object.create(null);
    for (const { how, which, other, name, lie } of changes) {
      const at = which % (list.length || 1);
      const entry = list[at];
      const second = list[other % (list.length || 1)];
      if (entry === undefined || second === undefined) break;
      if (how === 'drop') list = list.filter((_, i) => i !== at);
      else if (how === 'double') list.push(entry);
      else if (how === 'rename') list[at] = [name, entry[1]];
      else if (how === 'exchange') list[at] = [entry[0], second[1]];
      else if (how === 'empty') list[at] = [entry[0], new Uint8Array(0)];
      else lies[entry[0]] = lie;
    }
    return zipFile(list, lies);
  });
}

const ALLOWED: readonly (readonly [string, string])[] = [
  ['collections', 'OrderedDict'],
  ['collections', 'defaultdict'],
  ['collections', 'Counter'],
  ['argparse', 'Namespace'],
  ['torch', 'Size'],
  ['mypackage', 'Run'],
  ['builtins', 'getattr'],
  ['omegaconf.dictconfig', 'DictConfig'],
  ['torch._utils', '_rebuild_sparse_tensor'],
  ['torch._utils', '_rebuild_qtensor'],
  ['torch._utils', '_rebuild_meta_tensor_no_storage'],
  ['torch', 'float32'],
  ['torch', 'FloatStorage'],
  ['torch', 'UntypedStorage'],
  ['torch.nn.parameter', 'Parameter'],
  ['torch._utils', '_rebuild_tensor'],
  ['torch._utils', '_rebuild_tensor_v2'],
  ['torch._utils', '_rebuild_tensor_v3'],
  ['torch._utils', '_rebuild_parameter'],
  ['torch._tensor', '_rebuild_from_type_v2'],
  ['numpy.core.multiarray', '_reconstruct'],
  ['__builtin__', 'set'],
  ['_codecs', 'encode'],
];

const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['os', 'system'],
  ['builtins', 'eval'],
  ['__proto__', 'constructor'],
  ['torch', 'load'],
  ['', ''],
];

const KEYS = [
  'w',
  'model',
  'state_dict',
  '__proto__',
  'constructor',
  'length',
  '__setstate__',
  '__dict__',
  'toString',
  'then',
  '',
];

/** Mostly `sound`, else `unsound`: a case in which all is wrong stops at the first of it. */
function mostly<T>(sound: fc.Arbitrary<T>, unsound: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 12, arbitrary: sound }, { weight: 1, arbitrary: unsound });
}

const smallCount = mostly(fc.nat(6), fc.constantFrom(-1, -(2 ** 31), ...EDGES));

const anyTensor: fc.Arbitrary<string> = fc
  .record(
    {
      key: fc.constantFrom('0', '0', '0', '1', '../x', '__proto__'),
      type: fc.constantFrom('FloatStorage', 'FloatStorage', 'HalfStorage', 'UntypedStorage', 'OddStorage'),
      elements: mostly(fc.constant(6), smallCount),
      offset: smallCount,
      shape: fc.array(smallCount, { maxLength: 9 }),
      stride: fc.array(smallCount, { maxLength: 9 }),
      view: fc.tuple(fc.constant('v'), smallCount, smallCount),
    } satisfies Record<keyof TensorParts, unknown>,
    { requiredKeys: [] },
  )
  .map(tensorPickle);

const goodTensor: fc.Arbitrary<string> = fc
  .record({ shape: fc.array(fc.nat(2), { maxLength: 2 }), stride: fc.constant([1, 1]), offset: fc.nat(3) })
  .map(({ shape, stride, offset }) => tensorPickle({ shape, offset, stride: stride.slice(0, shape.length) }));

const global = mostly(fc.constantFrom(...ALLOWED), fc.constantFrom(...FORBIDDEN));

const goodLeaf: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    'N',
    '\x88',
    '\x89',
    ')',
    ']',
    '}',
    '\x8f',
    'G\x7f\xf8\0\0\0\0\0\0',
    'I7\n',
    '\x8a\x01\xff',
  ),
  fc.integer().map(op.int),
  fc.constantFrom(...KEYS).map(op.text),
  fc.string({ maxLength: 8 }).map((text) => `V${text.replace(/[^\x20-\x7e]/g, '')}\n`),
  global.map(([module, name]) => op.global(module, name)),
  goodTensor,
);

const badLeaf: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('h\x00', 'h\x01', '\x82\x01', '\x97', '(', '1'),
  fc.tuple(fc.constantFrom('X', 'B', 'T', '\x8b'), edge).map(([code, length]) => `${code}${u32(length)}`),
  fc
    .tuple(fc.constantFrom('\x8d', '\x8e', '\x96', '\x95'), edge)
    .map(([code, length]) => `${code}${u64(length)}`),
  anyTensor,
);

/** Pickles of values within values, some of them put together in ways that Python would not. */
function pickleValues(): fc.Arbitrary<string> {
  const { value } = fc.letrec<{ value: string; good: string; bad: string }>((tie) => {
    const inner = tie('value');
    const several = fc.array(inner, { maxLength: 4 });
    const dict = fc
      .array(fc.tuple(fc.constantFrom(...KEYS), inner), { maxLength: 4 })
      .map((pairs) => op.dict(...pairs.flatMap(([key, item]) => [op.text(key), item])));
    const put = fc.constantFrom('q\x00', 'q\x01', '\x94', 'r\0\0\0\0', 'p1\n');
    return {
      good: fc.oneof(
        several.map((items) => op.list(...items)),
        several.map((items) => op.tuple(...items)),
        dict,
        fc.tuple(dict, dict).map(([entries, state]) => `ccollections\nOrderedDict\n)R${entries}0${state}b`),
        fc
          .tuple(several, dict)
          .map(([args, state]) => `${op.call('argparse', 'Namespace', ...args)}${state}b`),
        fc.tuple(several, several).map(([args, items]) => `\x8f(${items.join('')}\x90${op.tuple(...args)}b`),
        fc.tuple(inner, put).map(([item, memo]) => `${item}${memo}`),
        fc.tuple(inner, inner).map(([dropped, kept]) => `${dropped}0${kept}`),
      ),
      bad: fc.oneof(
        several.map((items) => `(${items.join('')}d`),
        fc.tuple(global, several).map(([[module, name], args]) => op.call(module, name, ...args)),
        fc
          .tuple(inner, several, fc.constantFrom('R', '\x81', '}\x92'))
          .map(([target, args, code]) => `${target}${op.tuple(...args)}${code}`),
        fc.tuple(global, several).map(([[module, name], args]) => `(${args.join('')}i${module}\n${name}\n`),
        several.map((items) => `(${items.join('')}o`),
        fc.tuple(inner, inner, fc.constantFrom('a', 'b', 's', '\x93')).map((parts) => parts.join('')),
        fc
          .tuple(inner, several, fc.constantFrom('\x90', 'e', 'u'))
          .map(([to, items, code]) => `${to}(${items.join('')}${code}`),
        inner.map((id) => `${id}Q`),
      ),
      value: fc.oneof(
        { maxDepth: 5, depthSize: 'small' },
        { weight: 12, arbitrary: goodLeaf },
        { weight: 1, arbitrary: badLeaf },
        { weight: 12, arbitrary: tie('good') },
        { weight: 2, arbitrary: tie('bad') },
      ),
    };
  });
  return value;
}

/** Such pickles with noise in some, in a zip or a legacy file, some beside a sound tensor. */
function pickled(): fc.Arbitrary<Uint8Array> {
  const noise = fc.string({
    unit: fc.nat(255).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 3,
  });
  const insert = mostly<[string, number] | null>(fc.constant(null), fc.tuple(noise, fraction));
  return fc
    .tuple(pickleValues(), insert, fc.boolean(), fc.boolean())
    .map(([pickle, insert, isZip, isBeside]) => {
      const at = Math.floor((insert?.[1] ?? 0) * pickle.length);
      const text = insert === null ? pickle : pickle.slice(0, at) + insert[0] + pickle.slice(at);
      const beside = op.dict(op.text('w'), tensorPickle(), op.text('x'), text);
      const whole = `${op.start}${isBeside ? beside : text}.`;
      return isZip ? zipCheckpoint(whole) : legacyCheckpoint(whole);
    });
}

/** safetensors headers with any JSON in any place. */
function header(): fc.Arbitrary<Uint8Array> {
  const number = fc.oneof(edge, fc.integer(), fc.double());
  const shape = mostly<unknown>(
    fc.constantFrom([2, 3], [6], [1, 1, 6]),
    fc.oneof(fc.array(number, { maxLength: 9 }), fc.jsonValue({ maxDepth: 2 })),
  );
  const offsets = mostly<unknown>(
    fc.constant([0, 24]),
    fc.oneof(fc.tuple(edge, edge), fc.jsonValue({ maxDepth: 2 })),
  );
  const dtype = mostly<unknown>(
    fc.constant('F32'),
    fc.oneof(
      fc.constantFrom('F16', 'BF16', 'I64', 'BOOL', 'F8_E5M2', '__proto__'),
      fc.jsonValue({ maxDepth: 1 }),
    ),
  );
  const empty = fc.record({
    dtype,
    shape: fc.constantFrom([0], [3, 0]),
    data_offsets: fc.constantFrom([0, 0], [24, 24]),
  });
  const entry = mostly<unknown>(
    fc.oneof(fc.record({ dtype, shape, data_offsets: offsets }), empty),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const name = fc.oneof(fc.constantFrom(...KEYS, '__metadata__'), fc.string());
  const json = fc
    .dictionary(name, entry, { maxKeys: 4, noNullPrototype: true })
    .map((value) => JSON.stringify(value));
  const length = mostly<number | null>(fc.constant(null), edge);
  return fc.tuple(json, length, mostly(fc.constant(24), fc.nat(30))).map(([text, lie, dataBytes]) => {
    const bytes = safetensorsFile(text, floats(8).slice(0, dataBytes));
    return lie === null ? bytes : joinBytes(raw(u64(lie)), bytes.subarray(8));
  });
}
