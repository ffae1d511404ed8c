import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { print, printJson, say } from '../../src/cli/print.js';
import { formatTable } from '../../src/cli/table.js';

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  for (const method of ['log', 'error'] as const) {
    jest.spyOn(console, method).mockImplementation((text) => void said.push(String(text)));
  }
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('labels, file names and the words of others reach the terminal without control characters', () => {
  const label = '\u001b]0;owned\u0007\u001b[2Jcat\r\n\u009b31m\u202egod';
  print(formatTable(['class', 'logit'], [[label, '1.5']]));
  say(`not read: a\u001b[1Ab.png: ${label}`);
  printJson({ label });
  expect(said[0]!.split('\n')).toEqual(['class    logit', '-------  -----', 'cat god    1.5']);
  expect(said[1]).toBe('not read: ab.png: cat god');
  expect(JSON.parse(said[2]!)).toEqual({ label });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(said.join('').replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
});

test('a data: URL is told by its beginning, end and length', () => {
  say(`data:image/png;base64,${'A'.repeat(1e6)}: no such file`);
  expect(said[0]!.length).toBeLessThan(200);
  expect(said[0]).toMatch(/^data:image\/png;base64,A+…A+ \(1000022 characters\): no such file$/);
});
