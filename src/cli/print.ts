import type { WriteStream } from 'node:tty';
import { oneLine, printable, safeJson, shortenWords } from '../text.js';
import { paint, type Tone } from './paint.js';
import { columnsOf, wordsOf, wrap } from './table.js';

/**
 * Where all lines of the command line leave the program. Labels, file names and a worker's words come from others: what
 * could move the cursor is taken out here, and here alone.
 */

/** A result, on stdout; it may have several lines. */
export function print(text: string, tone?: Tone): void {
  console.log(forTerminal(printable(text), process.stdout, tone));
}

/** A result as one JSON value, on stdout. */
export function printJson(value: unknown): void {
  console.log(safeJson(value));
}

/** Log, on stderr: one line, which a terminal that is narrower shows on several. */
export function say(line: string, tone?: Tone): void {
  console.error(forTerminal(shortenWords(oneLine(line)), process.stderr, tone));
}

function forTerminal(text: string, stream: WriteStream, tone?: Tone): string {
  const columns = columnsOf(stream);
  const lines = text.split('\n').flatMap((line) => (line.length > columns ? fold(line, columns) : [line]));
  return paint(lines.join('\n'), tone, stream);
}

/** What a line leaves for its text where the hanging indent would take more. */
const LEAST_ROOM = 20;

/** A line in several, broken at spaces; what follows is indented as far as the first one's text, or its second column. */
function fold(line: string, columns: number): string[] {
  const [start] = /^ *(?:\S+ {2,})?/.exec(line)!;
  const hanging = start.trim() === '' ? start.length + 2 : start.length;
  const indent = ' '.repeat(hanging <= columns - LEAST_ROOM ? hanging : 2);
  const [head, ...rest] = wrapFrom(line, start.length, columns, indent.length);
  return [head!, ...rest.map((text) => indent + text)];
}

/** Words after the first `from` characters: the first line has these before it, the others an indent. */
function wrapFrom(line: string, from: number, columns: number, indent: number): string[] {
  const words = wordsOf(line.slice(from));
  let first = line.slice(0, from) + (words.shift() ?? '');
  while (words.length > 0 && first.length + 1 + words[0]!.length <= columns) first += ` ${words.shift()}`;
  return [first, ...wrap(words.join(' '), columns - indent)];
}
