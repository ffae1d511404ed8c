import { expect, test } from '@jest/globals';
import { nearest, oneLine, printable, safeJson, shorten, shortenWords, show } from '../src/text.js';

test.each([
  ['\u001b[31mred\u001b[0m', 'red'],
  ['\u001b]0;title\u0007after', 'after'],
  ['\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
  ['\u009b2Jgone', 'gone'],
  ['bell\u0007 back\b\u007f', 'bell back'],
  ['exe\u202egnp.cat', 'exegnp.cat'],
  ['two\r\n  lines\nhere', 'two lines here'],
  ['a\tb', 'a b'],
  ['Käse 猫 🐈', 'Käse 猫 🐈'],
])('%j is one safe line', (text, line) => {
  expect(oneLine(text)).toBe(line);
});

test('what JSON has not is shown as it is written', () => {
  const ring: Record<string, unknown> = {};
  ring.ring = ring;
  const shown = [Number.NaN, -Infinity, 5n, undefined, ring, { a: [1, null] }].map((value) => show(value));
  expect(shown).toEqual(['NaN', '-Infinity', '5', 'nothing', 'no JSON (object)', '{"a":[1,null]}']);
});

test('several lines stay several lines, without control characters', () => {
  expect(printable('a\u001b[2J\nb\rc\u0000')).toBe('a\nbc');
});

test('what is long is cut in the middle, and its length told', () => {
  expect(shorten('short')).toBe('short');
  const url = `data:image/png;base64,${'A'.repeat(5000)}`;
  expect(shorten(url)).toBe(`data:image/png;base64,${'A'.repeat(38)}…${'A'.repeat(20)} (5022 characters)`);
  expect(shortenWords(`see ${url} there`)).toBe(`see ${shorten(url)} there`);
});

test('JSON stays the same value, and has no control character', () => {
  const value = { label: 'a\u0085\u007f\u202e\u001b' };
  const text = safeJson(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toMatch(/^[ -~]*$/);
});

test('the nearest names', () => {
  const names = ['backend', 'batch-size', 'labels', 'workers'];
  expect(nearest('bakend', names)).toEqual(['backend']);
  expect(nearest('wokrers', names)).toEqual(['workers']);
  expect(nearest('frobnicate', names)).toEqual([]);
  expect(nearest('wsm', ['webgl', 'wasm', 'webgpu'])).toEqual(['wasm']);
  expect(nearest('webgpx', ['webgl', 'wasm', 'webgpu'])[0]).toBe('webgpu');
});
