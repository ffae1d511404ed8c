import type { WriteStream } from 'node:tty';

/** What a line is to the reader: something that failed, something to look at, a side note, the result. */
export type Tone = 'error' | 'warning' | 'quiet' | 'strong' | 'good';

/** SGR codes: on and off. */
const CODES: Readonly<Record<Tone, readonly [number, number]>> = {
  error: [31, 39],
  warning: [33, 39],
  quiet: [2, 22],
  strong: [1, 22],
  good: [32, 39],
};

/**
 * Text in the colour of its tone, each line by itself; as it is on what is no terminal, and where NO_COLOR is set or
 * TERM says that there is no colour (`hasColors` of node:tty).
 */
export function paint(text: string, tone: Tone | undefined, stream: WriteStream): string {
  if (tone === undefined || stream.isTTY !== true || !stream.hasColors()) return text;
  const [on, off] = CODES[tone];
  return text
    .split('\n')
    .map((line) => (line === '' ? line : `\x1b[${on}m${line}\x1b[${off}m`))
    .join('\n');
}
