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
/** A resampled image undershoots level 0 by less than this; centred levels (minus a mean) go below it. */
const LEAST_LEVEL = -64;

/**
 * Levels [H, W, 3] as RGB bytes, as Pillow converts modes F and I: below 0 becomes 0, above 255 becomes
 * 255, and a fraction is cut off.
 *
 * A float32 array whose range is that of normalised values is refused: all within 0…1, or some below 0 and none above
 * 16, or some below −64. Two cases cannot be told from their range: all values 0, which is taken for black, and a very
 * dark image whose levels are all 0 or 1, which is refused as float32 and taken as int32.
 *
 * @throws UserError for NaN or infinity, or a normalised tensor
 */
export function levelsToRgb({ levels, width, height }: Levels): RgbImage {
  if (levels instanceof Float32Array) checkLevels(levels);
  // Clamps; a fraction is cut off first, where the array alone would round it.
  return { data: new Uint8Array(Uint8ClampedArray.from(levels, Math.trunc).buffer), width, height };
}

function checkLevels(levels: ArrayLike<number>): void {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i]!;
    if (!Number.isFinite(level)) throw new UserError(`the tensor of levels holds ${level} at place ${i}`);
    if (level < min) min = level;
    if (level > max) max = level;
  }
  const black = min === 0 && max === 0;
  const normalized = max <= 1 || (min < 0 && max <= MOST_NORMALIZED) || min < LEAST_LEVEL;
  if (black || !normalized) return;
  const range = `${Number(min.toPrecision(4))}…${Number(max.toPrecision(4))}`;
  throw new UserError(
    `classify takes a tensor of levels 0…255, and the values ${range} look normalised; ` +
      'multiply values of 0…1 by 255, give levels as int32, or give a normalised batch to predict',
  );
}
