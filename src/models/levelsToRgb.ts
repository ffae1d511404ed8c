import { UserError } from '../errors.js';
import type { RgbImage } from '../image/types.js';

/** Levels of an image as a tensor holds them: [height, width, 3]. */
export interface Levels {
  readonly levels: Float32Array | Int32Array;
  readonly width: number;
  readonly height: number;
}

/** Normalised values lie within this: (1 − mean) / std of every preset is below 3. */
const MOST_NORMALIZED = 16;
/** A resampled image goes below level 0 and above 255 by less than this; centred levels (minus a mean) go further below. */
const OVERSHOOT = 64;

/**
 * Levels [H, W, 3] as RGB bytes, as Pillow converts modes F and I: below 0 becomes 0, above 255 becomes
 * 255, and a fraction is cut off.
 *
 * What lies further out than a resampled image goes is refused: levels of 10, 12 or 16 bits would all be white. So is a
 * float32 array whose range is that of normalised values: all within 0…1, or some below 0 and none above 16. Two cases
 * cannot be told from their range: all values 0, which is taken for black, and a very dark image whose levels are all 0 or
 * 1, which is refused as float32 and taken as int32.
 *
 * @throws UserError for NaN or infinity, a normalised tensor, or levels of more than 8 bits
 */
export function levelsToRgb({ levels, width, height }: Levels): RgbImage {
  checkLevels(levels);
  // Clamps; a fraction is cut off first, where the array alone would round it.
  return { data: new Uint8Array(Uint8ClampedArray.from(levels, Math.trunc).buffer), width, height };
}

function checkLevels(levels: Float32Array | Int32Array): void {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i]!;
    if (!Number.isFinite(level)) throw new UserError(`the tensor of levels holds ${level} at place ${i}`);
    if (level < min) min = level;
    if (level > max) max = level;
  }
  const round = (level: number) => Number(level.toPrecision(4));
  const told = `classify takes a tensor of levels 0…255, and the values ${round(min)}…${round(max)}`;
  if (max > 255 + OVERSHOOT) {
    throw new UserError(`${told} go further; scale them to 0…255, those of 16 bits by 255 / 65535`);
  }
  const black = min === 0 && max === 0;
  const isFloat = levels instanceof Float32Array;
  const normalized = isFloat && (max <= 1 || (min < 0 && max <= MOST_NORMALIZED));
  if (min >= -OVERSHOOT && (black || !normalized)) return;
  throw new UserError(
    `${told} look normalised; ` +
      'multiply values of 0…1 by 255, give levels as int32, or give a normalised batch to predict',
  );
}
