import { PickleProblem } from './problem.js';

const utf16 = new TextDecoder('utf-16le', { ignoreBOM: true });

const BACKSLASH = 0x5c;

/** What a backslash and a letter stand for, by the letter's code. */
const SIMPLE_ESCAPES: ReadonlyMap<number, number> = new Map(
  [
    ['n', '\n'],
    ['r', '\r'],
    ['t', '\t'],
    ['\\', '\\'],
    ["'", "'"],
    ['"', '"'],
  ].map(([letter, meaning]) => [letter!.charCodeAt(0), meaning!.charCodeAt(0)]),
);

/** Letters that take hexadecimal digits, and how many, in repr() and in raw-unicode-escape. */
const REPR_DIGITS: ReadonlyMap<number, number> = new Map([[0x78, 2]]);
const RAW_DIGITS: ReadonlyMap<number, number> = new Map([
  [0x75, 4],
  [0x55, 8],
]);

/** The value of a string as Python's repr() writes it, quotes and all (opcode STRING). */
export function unquotePythonString(text: string): string {
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) {
    throw new PickleProblem('expected a quoted string');
  }
  return resolveEscapes(text.slice(1, -1), SIMPLE_ESCAPES, REPR_DIGITS);
}

/** The value of a string in Python's raw-unicode-escape coding (opcode UNICODE). */
export function unescapeRawUnicode(text: string): string {
  return resolveEscapes(text, new Map(), RAW_DIGITS);
}

/** In one pass over the characters: millions of escapes are a few bytes each. Unknown escapes stay as they are. */
function resolveEscapes(
  text: string,
  simple: ReadonlyMap<number, number>,
  digits: ReadonlyMap<number, number>,
): string {
  if (!text.includes('\\')) return text;
  const units = new Uint16Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const letter = code === BACKSLASH ? text.charCodeAt(i + 1) : 0;
    const count = digits.get(letter) ?? 0;
    const point = count > 0 ? hexadecimal(text, i + 2, count) : simple.get(letter);
    if (point === undefined || point > 0x10ffff) {
      units[length++] = code;
      continue;
    }
    if (point > 0xffff) units[length++] = 0xd800 + ((point - 0x10000) >> 10);
    units[length++] = point > 0xffff ? 0xdc00 + (point & 0x3ff) : point;
    i += 1 + count;
  }
  return utf16.decode(units.subarray(0, length));
}

/** The number that `count` hexadecimal digits at `start` give, if they are such. */
function hexadecimal(text: string, start: number, count: number): number | undefined {
  let value = 0;
  for (let i = start; i < start + count; i++) {
    const digit = digitValue(text.charCodeAt(i));
    if (digit === undefined) return undefined;
    value = value * 16 + digit;
  }
  return value;
}

function digitValue(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : undefined;
}
