import { MAX_LONG_BYTES } from '../limits.js';
import { plainInteger } from './byteReader.js';
import type { PickleMachine } from './machine.js';
import { PickleProblem } from './problem.js';
import { unescapeRawUnicode, unquotePythonString } from './pythonText.js';
import { Dict, describePickled, Inert, List, type PickleValue, Tuple } from './values.js';

type Operation = (machine: PickleMachine) => void;

/** `.` ends a pickle. */
export const STOP = 0x2e;

const HIGHEST_PROTOCOL = 5;

/** The longest number in decimal that is read: as long as MAX_LONG_BYTES allows in binary. */
const MAX_DECIMAL_DIGITS = Math.ceil(MAX_LONG_BYTES * 2.41);

/** What each opcode does, by its byte; names and order as in CPython's Lib/pickle.py. Gaps are not opcodes. */
export const OPERATIONS: readonly (Operation | undefined)[] = table({
  // Protocol 0 and 1.
  '(': (m) => m.mark(),
  '0': (m) => m.popOrUnmark(),
  '1': (m) => void m.popToMark(),
  '2': (m) => m.push(m.top()),
  F: (m) => m.push(decimalFloat(m.reader.line())),
  I: (m) => m.push(decimalIntOrBool(m.reader.line())),
  J: (m) => m.push(m.reader.int32()),
  K: (m) => m.push(m.reader.uint8()),
  L: (m) => m.push(decimalInt(m.reader.line().replace(/L$/, ''))),
  M: (m) => m.push(m.reader.uint16()),
  N: (m) => m.push(null),
  P: (m) => m.push(m.host.persistent(m.reader.line())),
  Q: (m) => m.push(m.host.persistent(m.pop())),
  R: reduce,
  S: (m) => m.push(unquotePythonString(m.reader.line())),
  T: (m) => m.push(m.reader.utf8(lengthOf(m.reader.int32()))),
  U: (m) => m.push(m.reader.utf8(m.reader.uint8())),
  V: (m) => m.push(unescapeRawUnicode(m.reader.line())),
  X: (m) => m.push(m.reader.utf8(m.reader.uint32())),
  a: (m) => extend(m, [m.pop()]),
  b: (m) => m.build(),
  c: (m) => m.push(m.host.findGlobal(m.reader.line(), m.reader.line())),
  d: (m) => m.push(withEntries(new Dict(), m.popToMark())),
  '}': (m) => m.push(new Dict()),
  e: (m) => extend(m, m.popToMark()),
  g: (m) => m.recall(memoKey(m.reader.line())),
  h: (m) => m.recall(m.reader.uint8()),
  i: (m) => m.call(m.host.findGlobal(m.reader.line(), m.reader.line()), m.popToMark()),
  j: (m) => m.recall(m.reader.uint32()),
  l: (m) => m.push(new List(m.popToMark())),
  ']': (m) => m.push(new List()),
  o: callMarked,
  p: (m) => m.remember(memoKey(m.reader.line())),
  q: (m) => m.remember(m.reader.uint8()),
  r: (m) => m.remember(m.reader.uint32()),
  s: setItem,
  t: (m) => m.push(new Tuple(m.popToMark())),
  ')': (m) => m.push(new Tuple([])),
  u: (m) => setItems(m, m.popToMark()),
  G: (m) => m.push(m.reader.float64()),
  // Protocol 2.
  '\x80': checkProtocol,
  '\x81': (m) => reduce(m),
  '\x82': (m) => refuseExtension(m.reader.uint8()),
  '\x83': (m) => refuseExtension(m.reader.uint16()),
  '\x84': (m) => refuseExtension(m.reader.uint32()),
  '\x85': (m) => pushTuple(m, 1),
  '\x86': (m) => pushTuple(m, 2),
  '\x87': (m) => pushTuple(m, 3),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  '\x8a': (m) => m.push(m.reader.long(m.reader.uint8())),
  '\x8b': (m) => m.push(m.reader.long(lengthOf(m.reader.int32()))),
  // Protocol 3.
  B: (m) => m.push(m.reader.bytes(m.reader.uint32())),
  C: (m) => m.push(m.reader.bytes(m.reader.uint8())),
  // Protocol 4.
  '\x8c': (m) => m.push(m.reader.utf8(m.reader.uint8())),
  '\x8d': (m) => m.push(m.reader.utf8(m.reader.length64())),
  '\x8e': (m) => m.push(m.reader.bytes(m.reader.length64())),
  '\x8f': (m) => m.push(new Inert('builtins.set', [])),
  '\x90': addItems,
  '\x91': (m) => m.push(new Inert('builtins.frozenset', m.popToMark())),
  '\x92': callWithKeywords,
  '\x93': stackGlobal,
  '\x94': (m) => m.remember(m.memo.size),
  '\x95': (m) => void m.reader.skip(8),
  // Protocol 5. Out-of-band buffers do not exist in a file.
  '\x96': (m) => m.push(m.reader.bytes(m.reader.length64())),
});

function table(byCharacter: Record<string, Operation>): (Operation | undefined)[] {
  const operations = new Array<Operation | undefined>(256).fill(undefined);
  for (const [character, operation] of Object.entries(byCharacter))
    operations[character.charCodeAt(0)] = operation;
  return operations;
}

/** REDUCE and NEWOBJ: a global and a tuple of arguments. */
function reduce(m: PickleMachine): void {
  const args = m.pop();
  if (!(args instanceof Tuple))
    throw new PickleProblem(`expected a tuple of arguments, found ${describePickled(args)}`);
  m.call(m.pop(), args.items);
}

/** NEWOBJ_EX: as NEWOBJ, with keyword arguments, which a placeholder has no use for. */
function callWithKeywords(m: PickleMachine): void {
  const keywords = m.pop();
  if (!(keywords instanceof Dict)) {
    throw new PickleProblem(`expected a dict of keyword arguments, found ${describePickled(keywords)}`);
  }
  reduce(m);
}

/** OBJ: a class and its arguments above the mark. */
function callMarked(m: PickleMachine): void {
  const [target, ...args] = m.popToMark();
  if (target === undefined) throw new PickleProblem('an object without a class is asked for');
  m.call(target, args);
}

function stackGlobal(m: PickleMachine): void {
  const name = m.pop();
  const module = m.pop();
  if (typeof name !== 'string' || typeof module !== 'string') {
    throw new PickleProblem(
      `expected a global's two names, found ${describePickled(module)} and ${describePickled(name)}`,
    );
  }
  m.push(m.host.findGlobal(module, name));
}

function refuseExtension(code: number): never {
  throw new PickleProblem(`the pickle asks for the registered extension ${code}, which no checkpoint needs`);
}

function checkProtocol(m: PickleMachine): void {
  const protocol = m.reader.uint8();
  if (protocol > HIGHEST_PROTOCOL) {
    throw new PickleProblem(`pickle protocol ${protocol} is declared; known are 0 to ${HIGHEST_PROTOCOL}`);
  }
}

function pushTuple(m: PickleMachine, length: number): void {
  const items = new Array<PickleValue>(length);
  for (let i = length - 1; i >= 0; i--) items[i] = m.pop();
  m.push(new Tuple(items));
}

function extend(m: PickleMachine, items: readonly PickleValue[]): void {
  const target = m.top();
  if (!(target instanceof List || target instanceof Inert)) {
    throw new PickleProblem(`expected a list to append to, found ${describePickled(target)}`);
  }
  // One by one: spreading a long array over push() overflows the call stack.
  for (const item of items) target.append(item);
}

function addItems(m: PickleMachine): void {
  const items = m.popToMark();
  const target = m.top();
  if (!(target instanceof Inert))
    throw new PickleProblem(`expected a set to add to, found ${describePickled(target)}`);
  for (const item of items) target.append(item);
}

function setItem(m: PickleMachine): void {
  const value = m.pop();
  const key = m.pop();
  setItems(m, [key, value]);
}

function setItems(m: PickleMachine, pairs: readonly PickleValue[]): void {
  const target = m.top();
  if (!(target instanceof Dict || target instanceof Inert)) {
    throw new PickleProblem(`expected a dict to set items of, found ${describePickled(target)}`);
  }
  withEntries(target, pairs);
}

function withEntries<T extends Dict | Inert>(target: T, pairs: readonly PickleValue[]): T {
  if (pairs.length % 2 !== 0) throw new PickleProblem('a dict has a key without a value');
  for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i]!, pairs[i + 1]!);
  return target;
}

function lengthOf(length: number): number {
  if (length < 0) throw new PickleProblem(`a length of ${length} bytes is declared`);
  return length;
}

function memoKey(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new PickleProblem('expected a decimal memo key');
  return Number(text);
}

function decimalIntOrBool(text: string): number | bigint | boolean {
  if (text === '00') return false;
  if (text === '01') return true;
  return decimalInt(text);
}

function decimalInt(text: string): number | bigint {
  if (text.length > MAX_DECIMAL_DIGITS || !/^[+-]?\d+$/.test(text)) {
    throw new PickleProblem('expected a whole number in decimal');
  }
  const isNegative = text.startsWith('-');
  const magnitude = BigInt(text.replace(/^[+-]/, ''));
  return plainInteger(isNegative ? -magnitude : magnitude);
}

function decimalFloat(text: string): number {
  if (/^[+-]?inf$/i.test(text))
    return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  const value = text.length > 0 && text.length <= MAX_DECIMAL_DIGITS ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new PickleProblem('expected a number in decimal');
  return value;
}
