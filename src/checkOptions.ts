import { UserError } from './errors.js';
import { nearest, oneLine, safeJson } from './text.js';

/** What an option may hold; its range is the business of who takes it. */
export type OptionKind = keyof typeof KINDS;

const isWhole = (value: unknown, least: number) => Number.isSafeInteger(value) && (value as number) >= least;

/**
 * Whether a value holds named fields. A Date, a Map, a Blob or an element of a page has none of its own, and would pass for
 * an object in which nothing is set. By tag: what comes out of another frame or thread has classes of its own.
 */
export const isFields = (value: unknown): boolean =>
  Object.prototype.toString.call(value) === '[object Object]';

const KINDS = {
  any: ['', () => true],
  text: ['a text', (value: unknown) => typeof value === 'string'],
  texts: [
    'an array of texts',
    (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  ],
  number: ['a number', (value: unknown) => typeof value === 'number'],
  count: ['a whole number of at least 0', (value: unknown) => isWhole(value, 0)],
  counting: ['a whole number of at least 1', (value: unknown) => isWhole(value, 1)],
  positive: ['a number above 0', (value: unknown) => Number.isFinite(value) && (value as number) > 0],
  atLeast0: ['a number of at least 0', (value: unknown) => Number.isFinite(value) && (value as number) >= 0],
  flag: ['true or false', (value: unknown) => typeof value === 'boolean'],
  function: ['a function', (value: unknown) => typeof value === 'function'],
  object: ['an object', isFields],
  size: [
    '[height, width] in pixels',
    (value: unknown) => Array.isArray(value) && value.length === 2 && value.every((side) => isWhole(side, 1)),
  ],
  signal: ['an AbortSignal', (value: unknown) => typeof (value as AbortSignal | null)?.aborted === 'boolean'],
  address: [
    'an address (text or URL)',
    (value: unknown) => typeof value === 'string' || value instanceof URL,
  ],
  worker: ['a Worker', (value: unknown) => typeof (value as Worker | null)?.postMessage === 'function'],
  redirects: ['same-host or any', (value: unknown) => value === 'same-host' || value === 'any'],
  room: [
    'true, false or a whole number of bytes',
    (value: unknown) => typeof value === 'boolean' || isWhole(value, 0),
  ],
} as const satisfies Record<string, readonly [expected: string, test: (value: unknown) => boolean]>;

/**
 * Checks that an object of options has no other fields than `known`, and in them what they may hold.
 *
 * @param what the function that takes them, for the message, e.g. `load`
 * @throws UserError that names the unknown field, and the known one nearest to it, or what a field should hold
 */
export function checkOptions(
  what: string,
  options: unknown,
  known: Readonly<Record<string, OptionKind>>,
): void {
  if (options === undefined) return;
  if (!isFields(options)) {
    throw new UserError(`${what}: its options are an object, got ${describeValue(options)}`);
  }
  const names = Object.keys(known);
  for (const [field, value] of Object.entries(options as object)) {
    if (!names.includes(field)) {
      const [near] = nearest(field, names);
      const hint = near ? `did you mean ${near}?` : `it has ${names.join(', ')}`;
      throw new UserError(`${what} has no option "${oneLine(field.slice(0, 60))}"; ${hint}`);
    }
    const [expected, test] = KINDS[known[field]!];
    if (value === undefined || test(value)) continue;
    throw new UserError(`${what}: ${field} is ${expected}, got ${describeValue(value)}`);
  }
}

/** Numbers that a line has room for: sizes, means. */
const isShort = (values: unknown[]) =>
  values.length > 0 && values.length <= 4 && values.every((value) => typeof value === 'number');

/** What a value is, in a few words, e.g. `the number 42`, `null`, `an array of 3`, `an object of class Foo`. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`;
  if (typeof value === 'string')
    return `the text ${safeJson(value.slice(0, 60) + (value.length > 60 ? '…' : ''))}`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value)) return isShort(value) ? `[${value.join(', ')}]` : `an array of ${value.length}`;
  const name = value.constructor?.name;
  if (typeof name === 'string' && name !== '' && name !== 'Object')
    return `an object of class ${oneLine(name)}`;
  const fields = Object.keys(value)
    .slice(0, 5)
    .map((field) => oneLine(field.slice(0, 40)));
  return fields.length > 0 ? `an object with ${fields.join(', ')}` : 'an empty object';
}
