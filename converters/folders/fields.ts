import { UserError } from '../../src/errors.js';
import { type Fields, isObject, pixels, shown } from '../../src/image/checkPreprocessing.js';
import type { Fact } from '../facts.js';

export { type Fields, isObject, shown };

/** The object in a JSON text. Throws a UserError that names the file if it is none. */
export function parseJsonObject(text: string, file: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new UserError(`${file}: is not JSON; it is damaged or another file`);
  }
  if (isObject(value)) return value;
  throw new UserError(`${file}: expected an object, found ${shown(value)}`);
}

/** A value with where it stands; undefined stays undefined. */
export function fact<T>(value: T | undefined, source: string): Fact<T> | undefined {
  return value === undefined ? undefined : { value, source };
}

/** Object without the entries that are undefined. */
export function defined<T extends object>(entries: T): T {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as T;
}

/** Readers of a file's fields. A field that is left out or null is undefined, one of another kind a UserError. */
export interface FieldReader {
  /** What begins the errors and stands in facts: the file, and the objects within it. */
  readonly where: string;
  readonly fields: Fields;
  whole(name: string, least?: number): number | undefined;
  number(name: string): number | undefined;
  flag(name: string): boolean | undefined;
  text(name: string): string | undefined;
  object(name: string): FieldReader | undefined;
  /** [height, width] of one number or two. */
  size(name: string): readonly [number, number] | undefined;
  /** Where a field stands: `config.json: hidden_size`. */
  at(name: string): string;
}

export function fieldReader(fields: Fields, where: string): FieldReader {
  const at = (name: string) => `${where}: ${name}`;
  const read = <T>(name: string, expected: string, test: (value: unknown) => value is T): T | undefined => {
    const value = fields[name];
    if (value === undefined || value === null) return undefined;
    if (test(value)) return value;
    throw new UserError(`${at(name)} is ${shown(value)}; expected ${expected}`);
  };
  return {
    where,
    fields,
    at,
    whole: (name, least = 1) =>
      read(
        name,
        `a whole number of at least ${least}`,
        (value): value is number => Number.isSafeInteger(value) && (value as number) >= least,
      ),
    number: (name) => read(name, 'a number', (value): value is number => Number.isFinite(value)),
    flag: (name) => read(name, 'true or false', (value) => typeof value === 'boolean'),
    text: (name) => read(name, 'a text', (value) => typeof value === 'string'),
    object: (name) => {
      const value = read(name, 'an object', isObject);
      return value && fieldReader(value, at(name));
    },
    size: (name) => {
      const value = fields[name];
      if (value === undefined || value === null) return undefined;
      const sides = Array.isArray(value) ? value : [value, value];
      if (sides.length !== 2) {
        throw new UserError(
          `${at(name)} is ${shown(value)}; expected a number of pixels, or height and width`,
        );
      }
      return [pixels(sides[0], at(name)), pixels(sides[1], at(name))];
    },
  };
}
