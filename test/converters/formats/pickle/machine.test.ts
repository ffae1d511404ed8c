import { expect, test } from '@jest/globals';
import { parseCheckpoint } from '../../../../converters/formats/index.js';
import { ByteReader } from '../../../../converters/formats/pickle/byteReader.js';
import { PickleMachine } from '../../../../converters/formats/pickle/machine.js';
import { Dict, Inert, List, type PickleValue, Tuple } from '../../../../converters/formats/pickle/values.js';
import { TorchHost } from '../../../../converters/formats/torch/objects.js';
import {
  legacyCheckpoint,
  op,
  raw,
  stateDictPickle,
  tensorPickle,
  u32,
  u64,
  zipCheckpoint,
} from '../builders.js';
import { parseOutcome } from '../outcome.js';

function unpickle(pickle: string): unknown {
  return plain(new PickleMachine(new ByteReader(raw(pickle)), new TorchHost()).run());
}

function plain(value: PickleValue): unknown {
  if (value instanceof Tuple || value instanceof List) return value.items.map(plain);
  if (value instanceof Dict) return new Map([...value.entries].map(([k, v]) => [plain(k), plain(v)]));
  if (value instanceof Inert)
    return { inert: value.className, args: value.args.map(plain), items: value.items.map(plain) };
  return value;
}

// Each pickle is what CPython's pickle.loads gives that value for.
test.each<[string, string, unknown]>([
  ['INT', 'I-5\n.', -5],
  ['INT as a boolean', 'I01\n.', true],
  ['LONG', 'L12345678901234567890L\n.', 12345678901234567890n],
  ['LONG1, negative', '\x80\x02\x8a\x02\x00\xff.', -256],
  ['LONG1, empty', '\x80\x02\x8a\x00.', 0],
  ['LONG4', `\x80\x02\x8b${u32(9)}\x00\x00\x00\x00\x00\x00\x00\x00\x01.`, 2n ** 64n],
  ['BININT, negative', 'J\xfe\xff\xff\xff.', -2],
  ['BININT2', 'M\x01\x02.', 513],
  ['FLOAT', 'F-1.5e3\n.', -1500],
  ['FLOAT, infinite', 'Finf\n.', Number.POSITIVE_INFINITY],
  ['BINFLOAT', 'G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
  ['STRING', "S'a\\x41\\n\\'b'\n.", "aA\n'b"],
  ['UNICODE', 'V\\u00e9\\U0001f600x\n.', 'é😀x'],
  ['BINUNICODE', `X${u32(2)}\xc3\xa9.`, 'é'],
  ['SHORT_BINSTRING', 'U\x02ab.', 'ab'],
  ['BINUNICODE8', `\x80\x04\x8d${u64(1)}a.`, 'a'],
  ['SHORT_BINBYTES', '\x80\x03C\x02\x00\xff.', Uint8Array.of(0, 255)],
  ['BYTEARRAY8', `\x80\x05\x96${u64(1)}a.`, Uint8Array.of(97)],
  ['tuples', 'K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87\x87.', [[1], [1, 2], [1, 2, 3]]],
  ['LIST, APPEND, APPENDS', '(K\x01lK\x02a(K\x03K\x04e.', [1, 2, 3, 4]],
  [
    'DICT, SETITEM, SETITEMS',
    '(K\x01K\x02dK\x03K\x04s(K\x05K\x06u.',
    new Map([
      [1, 2],
      [3, 4],
      [5, 6],
    ]),
  ],
  [
    'memo by text, byte, word and MEMOIZE',
    '](K\x07p0\nK\x08q\x01K\x09r\x02\x00\x00\x00N\x94g0\nh\x01j\x02\x00\x00\x00h\x03e.',
    [7, 8, 9, null, 7, 8, 9, null],
  ],
  ['POP, POP_MARK, DUP', 'K\x01(K\x02K\x031K\x050(02\x86.', [1, 1]],
  [
    'EMPTY_SET and ADDITEMS',
    '\x80\x04\x8f(K\x01K\x02\x90.',
    { inert: 'builtins.set', args: [], items: [1, 2] },
  ],
  ['FROZENSET', '\x80\x04(K\x01\x91.', { inert: 'builtins.frozenset', args: [1], items: [] }],
  [
    'NEWOBJ_EX',
    '\x80\x04cargparse\nNamespace\nK\x01\x85}\x92.',
    { inert: 'argparse.Namespace', args: [1], items: [] },
  ],
  ['STACK_GLOBAL', '\x80\x04\x8c\x05torch\x8c\x04Size\x93](K\x02K\x03e\x85R.', [2, 3]],
  ['FRAME', `\x80\x04\x95${u64(2)}K\x01.`, 1],
  ['INST and OBJ', '(K\x01iargparse\nNamespace\n.', { inert: 'argparse.Namespace', args: [1], items: [] }],
  ['OBJ', '(cargparse\nNamespace\nK\x01o.', { inert: 'argparse.Namespace', args: [1], items: [] }],
])('%s', (_name, pickle, expected) => {
  expect(unpickle(pickle)).toEqual(expected);
});

const SHELL = op.tuple(op.text('touch /tmp/owned'));

// Ways by which pickles have been made to run code, each in Python's own opcodes.
test.each<[string, string, RegExp]>([
  ['REDUCE of os.system', `cos\nsystem\n${SHELL}R`, /"os\.system"/],
  ['REDUCE of posix.system', `cposix\nsystem\n${SHELL}R`, /"posix\.system"/],
  ['builtins.eval', `cbuiltins\neval\n${SHELL}R`, /"builtins\.eval"/],
  ['builtins.exec by its Python 2 name', `c__builtin__\nexec\n${SHELL}R`, /"__builtin__\.exec"/],
  ['builtins.getattr', 'cbuiltins\ngetattr\n', /"builtins\.getattr"/],
  ['builtins.__import__', 'cbuiltins\n__import__\n', /__import__/],
  ['subprocess.Popen by NEWOBJ', `csubprocess\nPopen\n${SHELL}\x81`, /"subprocess\.Popen"/],
  ['NEWOBJ_EX', `csubprocess\nPopen\n${SHELL}}\x92`, /"subprocess\.Popen"/],
  ['INST', `(${op.text('id')}ios\nsystem\n`, /"os\.system"/],
  ['OBJ', `(cos\nsystem\n${op.text('id')}o`, /"os\.system"/],
  ['STACK_GLOBAL', '\x8c\x02os\x8c\x06system\x93', /"os\.system"/],
  ['STACK_GLOBAL of a dotted name', '\x8c\x05torch\x8c\x0dhub.os.system\x93', /"torch\.hub\.os\.system"/],
  ['torch.load', 'ctorch\nload\n', /"torch\.load"/],
  ['torch.storage._load_from_bytes', 'ctorch.storage\n_load_from_bytes\n', /_load_from_bytes/],
  ['runpy', 'crunpy\n_run_code\n', /"runpy\._run_code"/],
  ['a name of Object.prototype', 'c__proto__\nconstructor\n', /"__proto__\.constructor"/],
  ['EXT1', '\x82\x01', /extension 1/],
  ['EXT2', '\x83\x01\x01', /extension 257/],
  ['EXT4', '\x84\x01\x00\x00\x00', /extension 1/],
  ['PERSID', 'Pos.system\n', /persistent id/],
  ['BINPERSID of a number', 'K\x01Q', /persistent id/],
  [
    'BINPERSID of another tag',
    `${op.tuple(op.text('module'), op.global('torch', 'FloatStorage'))}Q`,
    /persistent id/,
  ],
  ['REDUCE of a string', `${op.text('os.system')}${SHELL}R`, /expected a global to call, found a string/],
  ['REDUCE of a placeholder', `cargparse\nNamespace\n)R)R`, /found an object of argparse\.Namespace/],
  ['REDUCE with a list of arguments', 'ccollections\nOrderedDict\n]R', /expected a tuple of arguments/],
  ['calling a storage type', 'ctorch\nFloatStorage\n)R', /torch\.FloatStorage is called/],
  ['calling a dtype', 'ctorch\nfloat32\n)R', /torch\.float32 is called/],
  ['calling Parameter', 'ctorch.nn.parameter\nParameter\n)R', /Parameter is called/],
  [
    '_rebuild_from_type_v2 of another function',
    op.call('torch._tensor', '_rebuild_from_type_v2', op.global('_codecs', 'encode'), 'N', ')'),
    /expected the parts of a tensor/,
  ],
  [
    'BUILD on a global',
    `ctorch\nSize\n}b`,
    /expected an object to set the state of, found the global torch\.Size/,
  ],
  ['BUILD on a list', ']}b', /found a list/],
  ['APPEND to a dict', '}K\x01a', /expected a list to append to, found a dict/],
  ['SETITEM on a list', ']K\x01K\x02s', /expected a dict/],
  ['SETITEM on a global', 'ctorch\nSize\nK\x01K\x02s', /expected a dict/],
  ['a key without a value', '}(K\x01u', /key without a value/],
  ['STACK_GLOBAL of numbers', 'K\x01K\x02\x93', /expected a global's two names/],
  ['an empty stack', '0', /empty stack/],
  ['a value from under the mark', 'K\x01(a', /empty stack/],
  ['no mark', 't', /mark that was never set/],
  ['an unset memo', 'h\x05', /memo has no value 5/],
  ['a memo key that is no number', 'g__proto__\n', /decimal memo key/],
  ['an opcode that is none', '\xff', /0xff/],
  ['an out-of-band buffer', '\x97', /0x97/],
  ['protocol 6', '\x80\x06', /protocol 6/],
  ['a negative length', 'T\xfb\xff\xff\xff', /length of -5/],
  ['a length beyond 2^53', `\x8e${u64(2 ** 60)}`, /2\^53/],
  ['a length beyond the file', `\x8e${u64(2 ** 40)}`, /cut short/],
  ['a long of 2 GB', `\x8b${u32(2 ** 31 - 1)}`, /at most 32/],
  ['a number that is none', 'I0x10\n', /whole number in decimal/],
  ['a float that is none', 'F__import__\n', /number in decimal/],
  ['an unquoted string', 'Sos.system\n', /quoted string/],
])('%s is refused', async (_name, pickle, message) => {
  for (const build of [zipCheckpoint, legacyCheckpoint]) {
    expect(await parseOutcome(build(`${op.start}${pickle}.`))).toMatch(message);
  }
});

test('the message names the file, the entry, the byte and what to do', async () => {
  const outcome = await parseOutcome(zipCheckpoint(`${op.start}cos\nsystem\n.`));
  expect(outcome).toBe(
    'case.pth: a/data.pkl, byte 13: the pickle asks for the global "os.system", by which Python would run code of the file\'s ' +
      'choice: no training script writes that, so do not load this file anywhere; nothing was run.',
  );
});

test('a file whose only content is of unknown names is refused by the first of them', async () => {
  const outcome = await parseOutcome(
    zipCheckpoint(`${op.start}cmypackage.models\nNet\n)\x81}${op.text('lr')}K\x01sb.`),
  );
  expect(outcome).toBe(
    'case.pth: holds no tensors; the pickle asks for the global "mypackage.models.Net", which is not on the list of ' +
      'what a checkpoint may hold; nothing was run; save the weights alone, by torch.save(model.state_dict(), PATH).',
  );
});

// What training scripts keep beside the weights: nothing of it is built, and the weights are read.
test.each<[string, string]>([
  ['an object', 'cmypackage\nRun\n)\x81}b'],
  [
    'an attribute by getattr, called',
    `cbuiltins\ngetattr\n(${op.global('mypackage', 'Run')}${op.text('f')}tR)R`,
  ],
  ['an object that holds itself', `cmypackage\nRun\n)\x81q\x07}${op.text('me')}h\x07sb`],
  [
    'an object as protocol 0 makes it',
    `ccopy_reg\n_reconstructor\n(${op.global('mypackage', 'Run')}${op.global('__builtin__', 'object')}NtR}b`,
  ],
  ['a function', 'cmypackage\nscale\n'],
  ["a class of a package that is named like a module of Python's", 'ccode.models\nNet\n)R'],
  ['a subclass of list', 'cmypackage\nItems\n)\x81(K\x01K\x02e'],
  ['a subclass of dict', `cmypackage\nItems\n)\x81(${op.text('a')}K\x02u`],
  ['a subclass of set', 'cmypackage\nItems\n)\x81(K\x01\x90'],
  ['a name with a control character', 'cmy\rpackage\nRun\n)R'],
])('%s beside a tensor is passed over', async (_name, pickle) => {
  const both = op.dict(op.text('w'), tensorPickle(), op.text('x'), pickle);
  for (const build of [zipCheckpoint, legacyCheckpoint])
    expect(await parseOutcome(build(`${op.start}${both}.`))).toBeUndefined();
});

test.each<[string, string]>([
  ['an attack beside a tensor', `cos\nsystem\n${SHELL}R`],
  ['an attack as the argument of an object', `cmypackage\nRun\n(cposix\nsystem\n${SHELL}RtR`],
  ['an attack through getattr', `cbuiltins\ngetattr\n(cbuiltins\n__import__\n${op.text('x')}tR`],
])('%s refuses the file', async (_name, pickle) => {
  const both = op.dict(op.text('w'), tensorPickle(), op.text('x'), pickle);
  for (const build of [zipCheckpoint, legacyCheckpoint])
    expect(await parseOutcome(build(`${op.start}${both}.`))).toMatch(/nothing was run/);
});

test.each<[string, string, RegExp]>([
  [
    'in an object of an unknown class',
    `cmypackage\nRun\n)\x81}${op.text('t')}${tensorPickle()}sb`,
    /it lies in a pickled object of mypackage\.Run/,
  ],
  [
    'in an object as protocol 0 makes it',
    `ccopy_reg\n_reconstructor\n(${op.global('mypackage', 'Run')}${op.global('__builtin__', 'object')}NtR}${op.text('t')}${tensorPickle()}sb`,
    /it lies in a pickled object of mypackage\.Run/,
  ],
  [
    'made by an unknown function',
    op.call('mypackage', 'rebuild', tensorPickle()),
    /it is made by "mypackage\.rebuild"/,
  ],
  [
    'over what an unknown function gives',
    op.call(
      'torch._utils',
      '_rebuild_tensor_v2',
      op.call('torch.storage', '_load_from_bytes', op.text('x')),
      'K\x00',
      ')',
      ')',
      '\x89',
      'N',
    ),
    /makes it of an object of torch\.storage\._load_from_bytes/,
  ],
])('a tensor %s is listed and not read', async (_name, pickle, reason) => {
  const both = op.dict(op.text('w'), tensorPickle(), op.text('x'), pickle);
  const { tensors } = await parseCheckpoint(zipCheckpoint(`${op.start}${both}.`));
  const odd = [...tensors.values()].find(({ name }) => name.startsWith('x'))!;
  expect(odd.unreadable).toMatch(reason);
  await expect(odd.read()).rejects.toThrow(
    /^<bytes>: tensor "x.*" cannot be read: .*nothing was run|only Python could build/,
  );
  expect([...(await tensors.get('w')!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
});

test('a state_dict cut at any byte is an error, in either container', async () => {
  for (const build of [zipCheckpoint, legacyCheckpoint]) {
    const whole = build(stateDictPickle());
    expect(await parseOutcome(whole)).toBeUndefined();
    for (let length = 0; length < whole.length; length++) {
      expect(await parseOutcome(whole.slice(0, length))).toMatch(/^case\.pth: /);
    }
  }
});
