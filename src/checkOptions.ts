import { UserError } from './errors.js';

/**
 * Checks that an object of options has no other fields than `known`.
 *
 * @param what the function that takes them, for the message, e.g. `load`
 * @throws UserError that names the unknown field, and the known one nearest to it
 */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) {
    throw new UserError(`${what}: its options are an object, got ${describeValue(options)}`);
  }
  for (const field of Object.keys(options)) {
    if (known.includes(field)) continue;
    const near = nearestName(field, known);
    const hint = near ? `did you mean ${near}?` : `it has ${known.join(', ')}`;
    throw new UserError(`${what} has no option "${printable(field.slice(0, 60))}"; ${hint}`);
  }
}

/** The name that is fewest edits away, if that is at most a third of its letters. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least && distance <= Math.max(2, candidate.length / 3))
      [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** Insertions, deletions and replacements of letters that turn one text into the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(row[j] + (a[i] === b[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1));
    }
    row = next;
  }
  return row[b.length];
}

/** What a value is, in a few words, e.g. `the number 42`, `null`, `an array of 3`, `an object of class Foo`. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`;
  if (typeof value === 'string')
    return `the text "${printable(value.slice(0, 60))}${value.length > 60 ? '…' : ''}"`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name = value.constructor?.name;
  if (typeof name === 'string' && name !== '' && name !== 'Object')
    return `an object of class ${printable(name)}`;
  const fields = Object.keys(value)
    .slice(0, 5)
    .map((field) => printable(field.slice(0, 40)));
  return fields.length > 0 ? `an object with ${fields.join(', ')}` : 'an empty object';
}

/** A text without control characters, which would break a message's line or act on a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, '�');
}
