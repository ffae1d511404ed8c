import { UserError } from './errors.js';
import { nearest, oneLine, safeJson } from './text.js';

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
    const [near] = nearest(field, known);
    const hint = near ? `did you mean ${near}?` : `it has ${known.join(', ')}`;
    throw new UserError(`${what} has no option "${oneLine(field.slice(0, 60))}"; ${hint}`);
  }
}

/** What a value is, in a few words, e.g. `the number 42`, `null`, `an array of 3`, `an object of class Foo`. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`;
  if (typeof value === 'string')
    return `the text ${safeJson(value.slice(0, 60) + (value.length > 60 ? '…' : ''))}`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name = value.constructor?.name;
  if (typeof name === 'string' && name !== '' && name !== 'Object')
    return `an object of class ${oneLine(name)}`;
  const fields = Object.keys(value)
    .slice(0, 5)
    .map((field) => oneLine(field.slice(0, 40)));
  return fields.length > 0 ? `an object with ${fields.join(', ')}` : 'an empty object';
}
