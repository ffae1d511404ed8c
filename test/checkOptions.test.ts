import { expect, test } from '@jest/globals';
import { checkOptions, describeValue } from '../src/checkOptions.js';

const KNOWN = ['backend', 'onProgress', 'quantize'];

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

test.each<[unknown, string]>([
  [42, 'the number 42'],
  [Number.NaN, 'the number NaN'],
  [true, 'true'],
  ['x'.repeat(100), `the text "${'x'.repeat(60)}…"`],
  ['a\n\u001b[0m', 'the text "a\\n\\u001b[0m"'],
  [() => 1, 'a function'],
  [Symbol('a'), 'a symbol'],
  [[1, 2], 'an array of 2'],
  [new Map(), 'an object of class Map'],
  [{}, 'an empty object'],
  [Object.create(null), 'an empty object'],
])('%p is described', (value, text) => {
  expect(describeValue(value)).toBe(text);
});
