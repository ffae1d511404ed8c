import { PickleProblem } from './problem.js';

const SIMPLE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
]);

/** The value of a string as Python's repr() writes it, quotes and all (opcode STRING). */
export function unquotePythonString(text: string): string {
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) {
    throw new PickleProblem('expected a quoted string');
  }
  return text
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-fA-F]{2})|([\s\S]))/g, (whole, hex?: string, character?: string) =>
      hex === undefined
        ? (SIMPLE_ESCAPES.get(character!) ?? whole)
        : String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

/** The value of a string in Python's raw-unicode-escape coding (opcode UNICODE). */
export function unescapeRawUnicode(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long!, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
