import { UserError } from '../../errors.js';
import type { RgbImage } from '../../image/types.js';
import type { Random } from '../../random.js';
import { type Fill, rotate, shearX, shearY, translateX, translateY } from './affine.js';
import { brightness, color, contrast, sharpness } from './enhance.js';
import { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from './pointOps.js';

/** timm's RandAugment (arXiv 1909.13719) by its configuration string, with bicubic interpolation. */
export interface RandAugment {
  /** `m`: strength of the operations, of 10. */
  readonly magnitude: number;
  /** `mstd`: standard deviation of the strength. */
  readonly magnitudeStd: number;
  /** `mmax`: highest strength. */
  readonly magnitudeMax: number;
  /** `n`: operations an image. */
  readonly layers: number;
  /** `p`: probability that a chosen operation is applied. */
  readonly prob: number;
  /** `inc`: operations that all do more the higher the magnitude is. */
  readonly increasing: boolean;
}

/** Full strength. */
const LEVELS = 10;

const DEFAULTS: RandAugment = {
  magnitude: LEVELS,
  magnitudeStd: 0,
  magnitudeMax: LEVELS,
  layers: 2,
  prob: 0.5,
  increasing: false,
};

const FIELDS: Record<string, Exclude<keyof RandAugment, 'increasing'>> = {
  m: 'magnitude',
  mstd: 'magnitudeStd',
  mmax: 'magnitudeMax',
  n: 'layers',
  p: 'prob',
};

/** Reads e.g. `rand-m9-mstd0.5-inc1`. Throws a UserError for what is not understood. */
export function parseRandAugment(text: string): RandAugment {
  const [policy, ...sections] = text.split('-');
  const wanted = 'expected e.g. rand-m9-mstd0.5-inc1, of m, mstd, mmax, n, p and inc, or null for none';
  if (policy !== 'rand') throw new UserError(`randAugment "${text}": ${wanted}`);
  const parsed: { -readonly [Field in keyof RandAugment]: RandAugment[Field] } = { ...DEFAULTS };
  for (const section of sections) {
    const [, key, value] = /^([a-z]+)(\d+(?:\.\d+)?)$/.exec(section) ?? [];
    const field = key === undefined || !Object.hasOwn(FIELDS, key) ? undefined : FIELDS[key];
    if (field) parsed[field] = Number(value);
    else if (key === 'inc') parsed.increasing = Number(value) !== 0;
    else throw new UserError(`randAugment "${text}": "${section}" is not understood; ${wanted}`);
  }
  return parsed;
}

/** An operation at strength `level`, 0…10; its random choices, if any, from `random`. */
type Operation = (image: RgbImage, level: number, random: Random, fill: Fill) => RgbImage;

/** The value or its negative, by chance. */
const either = (value: number, random: Random) => (random.uniform() > 0.5 ? -value : value);

const part = (level: number) => level / LEVELS;

/** A factor around 1, down to 0.1 or up to 1.9. */
const aroundOne = (level: number, random: Random) => Math.max(0.1, 1 + either(part(level) * 0.9, random));

const solarizeLevel = (level: number) => Math.min(256, Math.trunc(part(level) * 256));
const posterizeBits = (level: number) => Math.trunc(part(level) * 4);

const enhancing =
  (enhance: (image: RgbImage, factor: number) => RgbImage, increasing: boolean): Operation =>
  (image, level, random) =>
    enhance(image, increasing ? aroundOne(level, random) : part(level) * 1.8 + 0.1);

/** timm's lists _RAND_TRANSFORMS and _RAND_INCREASING_TRANSFORMS, in their order. */
function operations(increasing: boolean): readonly Operation[] {
  return [
    autoContrast,
    equalize,
    invert,
    (image, level, random, fill) => rotate(image, either(part(level) * 30, random), fill),
    (image, level) => posterize(image, increasing ? 4 - posterizeBits(level) : posterizeBits(level)),
    (image, level) => solarize(image, increasing ? 256 - solarizeLevel(level) : solarizeLevel(level)),
    (image, level) => solarizeAdd(image, Math.min(128, Math.trunc(part(level) * 110))),
    enhancing(color, increasing),
    enhancing(contrast, increasing),
    enhancing(brightness, increasing),
    enhancing(sharpness, increasing),
    (image, level, random, fill) => shearX(image, either(part(level) * 0.3, random), fill),
    (image, level, random, fill) => shearY(image, either(part(level) * 0.3, random), fill),
    (image, level, random, fill) => translateX(image, either(part(level) * 0.45, random), fill),
    (image, level, random, fill) => translateY(image, either(part(level) * 0.45, random), fill),
  ];
}

const OPERATIONS = { increasing: operations(true), plain: operations(false) };

/**
 * Applies randomly chosen operations to an image.
 *
 * @param mean of the model's preprocessing, 0…1: the colour of pixels that come from outside the image
 */
export function randAugment(
  image: RgbImage,
  options: RandAugment,
  mean: readonly [number, number, number],
  random: Random,
): RgbImage {
  const fill = mean.map((value) => Math.min(255, Math.round(255 * value))) as [number, number, number];
  const list = options.increasing ? OPERATIONS.increasing : OPERATIONS.plain;
  const chosen = Array.from({ length: options.layers }, () => list[random.integer(list.length)]!);
  return chosen.reduce((changed, operation) => {
    if (options.prob < 1 && random.uniform() > options.prob) return changed;
    const spread = options.magnitudeStd > 0 ? options.magnitudeStd * random.normal() : 0;
    const level = Math.max(0, Math.min(options.magnitude + spread, options.magnitudeMax));
    return operation(changed, level, random, fill);
  }, image);
}
