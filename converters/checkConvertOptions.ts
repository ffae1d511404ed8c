import { checkOptions, describeValue } from '../src/checkOptions.js';
import { UserError } from '../src/errors.js';
import { VIT_FIELDS, type VitConfig } from '../src/families/vit/config.js';
import type { ConvertOptions } from './convert.js';

/** What a value must be, if it is not. */
type Check = (value: never) => string | undefined;

/** Largest side of an input in pixels: the largest published models take some 1500. */
const MAX_SIDE = 2 ** 16;

const isWhole = (least: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= least
    ? undefined
    : `a whole number of at least ${least}`;
const isText = (value: unknown) => (typeof value === 'string' ? undefined : 'a text');
const isObject = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'an object';
/** The choices of a field of the configuration. */
const asField = (name: 'pool' | 'activation') => (value: unknown) =>
  VIT_FIELDS[name].check(value as never, {} as VitConfig)?.match(/^must be (.*), got /)?.[1];

function isSize(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length !== 2) return '[height, width]';
  if (!value.every((side) => Number.isSafeInteger(side))) return 'a whole number of pixels each';
  return value.every((side) => side <= MAX_SIDE) ? undefined : `at most ${MAX_SIDE} pixels`;
}

/** Every option; the compiler asks for a row when one is added. */
const CHECKS: { readonly [Name in keyof Required<ConvertOptions>]: Check } = {
  model: isText,
  imgSize: isSize,
  numClasses: isWhole(0),
  numHeads: isWhole(1),
  pool: asField('pool'),
  activation: asField('activation'),
  layerNormEps: (value: unknown) =>
    typeof value === 'number' && value > 0 && value < 1 ? undefined : 'above 0 and below 1',
  labels: (value: unknown) =>
    Array.isArray(value) && value.every((label) => typeof label === 'string')
      ? undefined
      : 'an array of texts',
  preprocessing: isObject,
  root: isText,
  pooler: (value: unknown) => (typeof value === 'boolean' ? undefined : 'true or false'),
  tables: isObject,
  facts: isObject,
};

/** checkOptions looks at the names, CHECKS at the values. */
const ANY = Object.fromEntries(Object.keys(CHECKS).map((name) => [name, 'any' as const]));

/** Throws a UserError that names the first option which there is not, or whose value cannot be. */
export function checkConvertOptions(options: ConvertOptions): void {
  checkOptions('convert', options, ANY);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const expected = CHECKS[name as keyof ConvertOptions](value as never);
    if (expected) throw new UserError(`convert: ${name} must be ${expected}, got ${describeValue(value)}`);
  }
}
