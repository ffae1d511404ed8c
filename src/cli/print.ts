import { oneLine, printable, safeJson, shortenWords } from '../text.js';

/**
 * Where all lines of the command line leave the program. Labels, file names and a worker's words come from others: what
 * could move the cursor is taken out here, and here alone.
 */

/** A result, on stdout; it may have several lines. */
export function print(text: string): void {
  console.log(printable(text));
}

/** A result as one JSON value, on stdout. */
export function printJson(value: unknown): void {
  console.log(safeJson(value));
}

/** Log, on stderr: one line. */
export function say(line: string): void {
  console.error(shortenWords(oneLine(line)));
}
