import { UserError } from '../errors.js';
import { interpolations } from './filters.js';
import type { Interpolation, Preprocessing, Resize } from './types.js';

/** Longest side that an image is resized or cropped to, in pixels: what no model has, and what memory bears. */
const MAX_TARGET_SIDE = 16_384;

const MODES = ['short', 'squash', 'cover', 'fit', 'none'];

/** An object of unknown fields. */
export type Fields = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in an error message, on one line and not too long. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** A whole number of pixels. `what` begins the error, e.g. `config.json: size`. */
export function pixels(value: unknown, what: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MAX_TARGET_SIDE) {
    return value as number;
  }
  throw new UserError(`${what} is ${shown(value)}; expected 1 to ${MAX_TARGET_SIDE} whole pixels`);
}

/** [height, width] in pixels. */
export function pixelPair(value: unknown, what: string): [height: number, width: number] {
  if (!Array.isArray(value) || value.length !== 2) {
    throw new UserError(`${what} is ${shown(value)}; expected [height, width]`);
  }
  return [pixels(value[0], what), pixels(value[1], what)];
}

/** A number for each of R, G and B; one number stands for all three. */
export function channels(value: unknown, what: string): [number, number, number] {
  const list =
    typeof value === 'number' || (Array.isArray(value) && value.length === 1)
      ? Array(3).fill(value).flat()
      : value;
  if (Array.isArray(list) && list.length === 3 && list.every(Number.isFinite))
    return [list[0], list[1], list[2]];
  throw new UserError(`${what} is ${shown(value)}; expected three finite numbers, for red, green and blue`);
}

/** As `channels`, and above 0: what is divided by. */
export function deviations(value: unknown, what: string): [number, number, number] {
  const std = channels(value, what);
  if (std.every((number) => number > 0 && Math.fround(number) > 0)) return std;
  throw new UserError(
    `${what} is ${shown(value)}; expected three numbers above 0, as levels are divided by them`,
  );
}

export function interpolationNamed(value: unknown, what: string): Interpolation {
  const name = interpolations.find((known) => known === value);
  if (name) return name;
  throw new UserError(`${what} is ${shown(value)}; expected one of ${interpolations.join(', ')}`);
}

/** mmpretrain and others have their means on 0…255, with which every image would be black here. */
export function ofUnit(values: Preprocessing['mean'], what: string): Preprocessing['mean'] {
  if (values.every((value) => Math.abs(value) <= 1)) return values;
  throw new UserError(
    `${what} is ${shown(values)}; expected it on levels scaled to 0…1: divide those of 0…255 by 255`,
  );
}

/** A ratio of crop to resized image, in (0, 1]. */
export function cropRatio(value: unknown, what: string): number {
  if (typeof value === 'number' && value > 0 && value <= 1) return value;
  throw new UserError(`${what} is ${shown(value)}; expected a ratio above 0 and at most 1`);
}

/** Above 0 and finite. */
export function factor(value: unknown, what: string): number {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw new UserError(`${what} is ${shown(value)}; expected a number above 0`);
}

function checkResize(value: unknown, what: string): Resize {
  if (!isObject(value) || !MODES.includes(value.mode as string)) {
    throw new UserError(`${what} is ${shown(value)}; expected a mode among ${MODES.join(', ')}`);
  }
  if (value.mode === 'none') return { mode: 'none' };
  if (value.mode === 'short') {
    const size = pixels(value.size, `${what}.size`);
    if (value.longest === undefined) return { mode: 'short', size };
    return { mode: 'short', size, longest: pixels(value.longest, `${what}.longest`) };
  }
  const mode = value.mode as 'squash' | 'cover' | 'fit';
  return {
    mode,
    height: pixels(value.height, `${what}.height`),
    width: pixels(value.width, `${what}.width`),
  };
}

const FIELDS = [
  'preset',
  'resize',
  'interpolation',
  'crop',
  'cropRounding',
  'fill',
  'rescaleFactor',
  'mean',
  'std',
];

function checkRounding(value: unknown, what: string): 'even' | 'down' {
  if (value === 'even' || value === 'down') return value;
  throw new UserError(`${what} is ${shown(value)}; expected even or down`);
}

function checkFill(value: unknown, what: string): [number, number, number] {
  const fill = channels(value, what);
  if (fill.every((level) => Number.isInteger(level) && level >= 0 && level <= 255)) return fill;
  throw new UserError(`${what} is ${shown(value)}; expected three levels from 0 to 255`);
}

/**
 * The preprocessing that plain data holds, with every field looked at: what a converted folder, a request or a caller
 * gives. `where` begins the errors, e.g. a file's name.
 *
 * @throws UserError for a field that is missing, unknown or of no use (a std of 0, NaN, a size of no pixels)
 */
export function checkPreprocessing(value: unknown, where: string): Preprocessing {
  const what = `${where}: preprocessing`;
  if (!isObject(value)) throw new UserError(`${what} is ${shown(value)}; expected an object`);
  const unknown = Object.keys(value).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) {
    throw new UserError(
      `${what}.${shown(unknown)} is not known to this version; expected ${FIELDS.join(', ')}`,
    );
  }
  const { preset, interpolation, cropRounding, fill, rescaleFactor } = value;
  // Levels that a factor scales have a range of their own.
  const scaled = rescaleFactor === undefined ? ofUnit : (values: Preprocessing['mean']) => values;
  if (typeof preset !== 'string') throw new UserError(`${what}.preset is ${shown(preset)}; expected a name`);
  return {
    preset,
    resize: checkResize(value.resize, `${what}.resize`),
    ...(interpolation !== undefined && {
      interpolation: interpolationNamed(interpolation, `${what}.interpolation`),
    }),
    crop: pixelPair(value.crop, `${what}.crop`),
    ...(cropRounding !== undefined && { cropRounding: checkRounding(cropRounding, `${what}.cropRounding`) }),
    ...(fill !== undefined && { fill: checkFill(fill, `${what}.fill`) }),
    ...(rescaleFactor !== undefined && { rescaleFactor: factor(rescaleFactor, `${what}.rescaleFactor`) }),
    mean: scaled(channels(value.mean, `${what}.mean`), `${what}.mean`),
    std: scaled(deviations(value.std, `${what}.std`), `${what}.std`),
  };
}
