import { UserError } from '../errors.js';
import {
  channels,
  cropRatio,
  deviations,
  type Fields,
  interpolationNamed,
  isObject,
  pixels,
  shown,
} from './checkPreprocessing.js';
import { roundHalfToEven } from './crop.js';
import type { Interpolation, Preprocessing, Resize } from './types.js';

/** How timm fits an image to the input: cut at the sides, scaled without regard to its ratio, or with borders. */
export type CropMode = 'center' | 'squash' | 'border';

export const cropModes: readonly CropMode[] = ['center', 'squash', 'border'];

/** What timm's transforms_imagenet_eval is told. `imgSize` is [height, width]. */
export interface TimmTransform {
  readonly imgSize: readonly [number, number];
  readonly cropPct: number;
  readonly cropMode: CropMode;
  readonly interpolation: Interpolation;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/**
 * The resize of timm's transforms_imagenet_eval (data/transforms_factory.py). The scaled size [height, width] is
 * floor(imgSize / crop_pct).
 */
export function timmResize(mode: CropMode, [height, width]: readonly [number, number]): Resize {
  if (mode === 'squash') return { mode, height, width };
  if (mode === 'border') return { mode: 'fit', height, width };
  return height === width ? { mode: 'short', size: height } : { mode: 'cover', height, width };
}

/** The levels of timm's borders: the mean, rounded half to even. */
export function borderLevels([red, green, blue]: readonly [number, number, number]): [
  number,
  number,
  number,
] {
  return [roundHalfToEven(255 * red), roundHalfToEven(255 * green), roundHalfToEven(255 * blue)];
}

function timmTransform(transform: TimmTransform, preset: string): Preprocessing {
  const { imgSize, cropPct, cropMode, interpolation, mean, std } = transform;
  const scaled = (size: number) => Math.floor(size / cropPct);
  const resize = timmResize(cropMode, [scaled(imgSize[0]), scaled(imgSize[1])]);
  return {
    preset,
    resize,
    ...(interpolation !== 'bicubic' && { interpolation }),
    crop: [imgSize[0], imgSize[1]],
    ...(cropMode === 'border' && { fill: borderLevels(mean) }),
    mean,
    std,
  };
}

const IMAGENET_MEAN = [0.485, 0.456, 0.406];
const IMAGENET_STD = [0.229, 0.224, 0.225];
/** timm's DEFAULT_CROP_PCT. */
const DEFAULT_CROP_PCT = 0.875;

/**
 * The evaluation's preprocessing by a timm configuration: the `pretrained_cfg` of config.json, or the arguments of
 * its training script; timm's own defaults where a field is missing (resolve_data_config). `imgSize` is the model's
 * input [height, width] where it is not the configuration's. `where` begins the errors.
 *
 * @throws UserError for a field of no use, or a crop mode or interpolation that is not known
 */
export function timmPreprocessing(
  config: Fields,
  where: string,
  imgSize?: readonly [number, number],
): Preprocessing {
  const given = (name: string) => (config[name] ? config[name] : undefined);
  const mode = given('crop_mode') ?? 'center';
  const cropMode = cropModes.find((known) => known === mode);
  if (!cropMode) {
    throw new UserError(`${where}: crop_mode is ${shown(mode)}; expected one of ${cropModes.join(', ')}`);
  }
  if (config.crop_border_pixels) throw new UserError(`${where}: crop_border_pixels is not supported`);
  const transform: TimmTransform = {
    imgSize: imgSize ?? inputSize(config, where),
    cropPct: cropRatio(given('crop_pct') ?? DEFAULT_CROP_PCT, `${where}: crop_pct`),
    cropMode,
    interpolation: interpolationNamed(given('interpolation') ?? 'bicubic', `${where}: interpolation`),
    mean: channels(config.mean ?? IMAGENET_MEAN, `${where}: mean`),
    std: deviations(config.std ?? IMAGENET_STD, `${where}: std`),
  };
  return timmTransform(transform, 'pretrained_cfg');
}

/** [height, width] of input_size, which is [channels, height, width], or of img_size. */
function inputSize(config: Fields, where: string): [number, number] {
  const { input_size: size, img_size: side } = config;
  if (Array.isArray(size)) {
    if (size.length !== 3 || size[0] !== 3) {
      throw new UserError(`${where}: input_size is ${shown(size)}; expected [3, height, width]`);
    }
    return [pixels(size[1], `${where}: input_size`), pixels(size[2], `${where}: input_size`)];
  }
  if (Array.isArray(side))
    return [pixels(side[0], `${where}: img_size`), pixels(side[1] ?? side[0], `${where}: img_size`)];
  const value = pixels(side ?? 224, `${where}: img_size`);
  return [value, value];
}

/** The part of a timm config.json that timmPreprocessing reads: `pretrained_cfg`, or the file itself in older ones. */
export function timmConfig(config: Fields): Fields {
  return isObject(config.pretrained_cfg) ? config.pretrained_cfg : config;
}
