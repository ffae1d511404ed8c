import { shorten } from '../text.js';

/** Wrong usage: an unknown option, a value of the wrong kind. Exit code 2. */
export class UsageError extends Error {}

/** What a whole-number option takes: its least value, or least and greatest. */
type Bounds = number | readonly [least: number, most: number];

/** A check for whole-number options: yargs itself takes any text for a number and gives NaN. */
export function checkNumbers(args: Record<string, unknown>, bounds: Record<string, Bounds>): true {
  for (const [name, bound] of Object.entries(bounds)) {
    const value = args[name];
    // An option given twice is told by the check of all options.
    if (value === undefined || Array.isArray(value)) continue;
    const [least, most] = typeof bound === 'number' ? [bound, Number.POSITIVE_INFINITY] : bound;
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) continue;
    const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
    // yargs keeps no text of an option that is no number.
    const got = Number.isNaN(value) ? 'and is no number' : `got ${shorten(String(value), 40)}`;
    throw new UsageError(`--${name} must be a whole number ${range}, ${got}`);
  }
  return true;
}

/** Longest side of a model's input, in pixels: attention grows with its fourth power. */
const MAX_IMG_SIZE = 4096;

/** Parses `224` or `224x192` (height × width) pixels. */
export function parseImgSize(text: string): [number, number] {
  const [, height, width] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
  if (!height || Number(height) < 1 || (width && Number(width) < 1)) {
    throw new UsageError(`--img-size must be pixels as N or HEIGHTxWIDTH, got ${shorten(text, 40)}`);
  }
  const size: [number, number] = [Number(height), Number(width ?? height)];
  if (Math.max(...size) <= MAX_IMG_SIZE) return size;
  throw new UsageError(`--img-size must be at most ${MAX_IMG_SIZE} pixels a side, got ${shorten(text, 40)}`);
}
