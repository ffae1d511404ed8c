import { expect, test } from '@jest/globals';
import { checkOptions, describeValue, type OptionKind } from '../src/checkOptions.js';

const KNOWN = { backend: 'text', onProgress: 'function', quantize: 'any' } as const;

test('known options, and none at all, are taken', () => {
  expect(() => checkOptions('load', undefined, KNOWN)).not.toThrow();
  expect(() => checkOptions('load', {}, KNOWN)).not.toThrow();
  expect(() => checkOptions('load', { backend: undefined, quantize: 'int8' }, KNOWN)).not.toThrow();
});

test.each([
  [{ Backend: 1 }, 'load has no option "Backend"; did you mean backend?'],
  [{ onprogres: 1 }, 'load has no option "onprogres"; did you mean onProgress?'],
  [{ zebra: 1 }, 'load has no option "zebra"; it has backend, onProgress, quantize'],
  [null, 'load: its options are an object, got null'],
  ['wasm', 'load: its options are an object, got the text "wasm"'],
])('%j is an error', (options, message) => {
  expect(() => checkOptions('load', options, KNOWN)).toThrow(message);
});

test.each<[OptionKind, unknown[], unknown[]]>([
  ['any', [null, 1], []],
  ['text', ['', 'a'], [1, null, ['a']]],
  ['texts', [[], ['a']], ['a', [1], null]],
  ['number', [-1, Number.NaN], ['1', null]],
  ['count', [0, 3], [-1, 0.5, '3', Number.NaN]],
  ['flag', [true, false], [0, 'true', null]],
  ['function', [() => 1], [1, {}, null]],
  ['object', [{}], [[], null, 1]],
  ['size', [[224, 384]], [224, [224], [224, 0], [224, 1.5], '224x224']],
  ['signal', [new AbortController().signal], [new AbortController(), {}, null]],
])('what %s may hold', (kind, good, bad) => {
  for (const value of [undefined, ...good]) {
    expect(() => checkOptions('load', { value }, { value: kind })).not.toThrow();
  }
  for (const value of bad) {
    expect(() => checkOptions('load', { value }, { value: kind })).toThrow(/^load: value is .+, got /);
  }
});

test.each<[unknown, string]>([
  [42, 'the number 42'],
  [Number.NaN, 'the number NaN'],
  [true, 'true'],
  ['x'.repeat(100), `the text "${'x'.repeat(60)}…"`],
  ['a\n\u001b[0m', 'the text "a\\n\\u001b[0m"'],
  [() => 1, 'a function'],
  [Symbol('a'), 'a symbol'],
  [[1, 2.5], '[1, 2.5]'],
  [[1, 2, 3, 4, 5], 'an array of 5'],
  [['a', 'b'], 'an array of 2'],
  [[], 'an array of 0'],
  [new Map(), 'an object of class Map'],
  [{}, 'an empty object'],
  [Object.create(null), 'an empty object'],
])('%p is described', (value, text) => {
  expect(describeValue(value)).toBe(text);
});
