/** Longest word of a message, in characters: paths are shorter than this, data: URLs and pasted files are not. */
const MAX_WORD = 300;

/** What stays of a longer word on either side of what is left out. */
const WORD_HEAD = 60;
const WORD_TAIL = 20;

/**
 * Control characters (C0, C1, DEL) and those that change the direction of writing: what a file's name or a class's
 * label could move the cursor with, hide text or show it in another order.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** ESC sequences of a terminal: colours and cursor movements (CSI), titles and links (OSC), single letters. */
const ESCAPE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]/g;

/** Text of unknown origin as one line that is safe on a terminal: line ends become spaces, control characters go. */
export function oneLine(text: string): string {
  return text
    .replace(ESCAPE, '')
    .replace(/[^\S\n]*[\r\n]+\s*/g, ' ')
    .replace(/\t/g, ' ')
    .replace(CONTROL, '');
}

/** Text of several lines that is safe on a terminal: only its line ends stay of the control characters. */
export function printable(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(ESCAPE, '').replace(/\t/g, ' ').replace(CONTROL, ''))
    .join('\n');
}

/** Text of at most `most` characters: the middle of a longer one is left out, and its length is told. */
export function shorten(text: string, most = MAX_WORD): string {
  if (text.length <= most) return text;
  const head = Math.min(WORD_HEAD, Math.floor(most / 2));
  const tail = Math.min(WORD_TAIL, Math.floor(most / 4));
  return `${text.slice(0, head)}…${text.slice(text.length - tail)} (${text.length} characters)`;
}

/** A value for a message: as JSON of at most `most` characters; what JSON has not (NaN, a bigint) as it is written. */
export function show(value: unknown, most = 80): string {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value)))
    return String(value);
  try {
    return shorten(JSON.stringify(value) ?? 'nothing', most);
  } catch {
    return `no JSON (${typeof value})`; // it holds itself, or a bigint
  }
}

/** The same text with every word of more than 300 characters shortened, e.g. a data: URL. */
export function shortenWords(text: string): string {
  return text.replace(/\S+/g, (word) => {
    if (word.length <= MAX_WORD) return word;
    const [end] = /[:;,.)]{0,3}$/.exec(word)!;
    return shorten(word.slice(0, word.length - end.length)) + end;
  });
}

/** JSON for a terminal or a pipe: control characters that JSON itself would leave as they are become escapes. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    CONTROL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The names that differ least from a given one, at most two, by the number of letters to change. */
export function nearest(name: string, names: Iterable<string>): string[] {
  const most = Math.max(1, Math.floor(name.length / 3));
  return [...new Set(names)]
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase(), most) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 2)
    .map(({ other }) => other);
}

/** Longest name that is compared: the work grows with the square. */
const MAX_NAME = 100;

/** Levenshtein's distance, with two letters that changed places as one change; more than `most` where it must be. */
function editDistance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most || a.length > MAX_NAME) return most + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, beforeLast[j - 2]! + 1);
      }
      row.push(value);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
